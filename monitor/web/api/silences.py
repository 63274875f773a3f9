"""Silences, maintenance windows and release freezes: made, listed, ended, extended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from alerts.silences.silence import SilenceState
from monitor.response import silences
from monitor.response.silence_preview import preview
from monitor.web.access import RowId
from monitor.web.api.silence_bodies import (
    Extension,
    MadeOut,
    NewSilence,
    SilenceOut,
    preview_out,
    silence_out,
)
from monitor.web.auth import Operator, Reader, services_of

router = APIRouter(prefix="/v1/silences", tags=["silences"])


@router.get("")
def list_silences(
    request: Request,
    actor: Reader,
    state: SilenceState | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[SilenceOut]:
    """Silences, newest first: active, pending (or between two windows), expired."""
    services = services_of(request)
    now = services.clock.now()
    with services.sessions() as session:
        states = tuple(SilenceState) if state is None else (state,)
        found = silences.listed(session, now, states, limit=limit)
    return [silence_out(each, now) for each in found]


@router.get("/{silence_id}", responses={404: {}})
def get_silence(request: Request, actor: Reader, silence_id: RowId) -> SilenceOut:
    """One silence, over or not."""
    services = services_of(request)
    with services.sessions() as session:
        return silence_out(silences.get(session, silence_id), services.clock.now())


@router.post("", status_code=201, responses={200: {"description": "Only a preview"}})
def create(request: Request, response: Response, actor: Operator, body: NewSilence) -> MadeOut:
    """Make a silence, and say what it holds back; with ``preview`` only say so."""
    services = services_of(request)
    now = services.clock.now()
    draft = body.value(actor=actor.name, now=now)
    with services.sessions.begin() as session:
        shown = preview_out(preview(session, draft, now), draft.kind)
        if body.preview:
            response.status_code = 200
            return MadeOut(silence=None, preview=shown)
        made = silences.create(session, draft)
        return MadeOut(silence=silence_out(made, now), preview=shown)


@router.post("/{silence_id}/end", responses={404: {}, 409: {}})
def end(request: Request, actor: Operator, silence_id: RowId) -> SilenceOut:
    """End it now. What it mutes and is still open pages."""
    services = services_of(request)
    now = services.clock.now()
    with services.sessions.begin() as session:
        return silence_out(silences.end(session, silence_id, actor=actor.name, at=now), now)


@router.post("/{silence_id}/extend", responses={404: {}, 409: {}})
def extend(request: Request, actor: Operator, silence_id: RowId, body: Extension) -> SilenceOut:
    """Let it end later."""
    services = services_of(request)
    now = services.clock.now()
    with services.sessions.begin() as session:
        longer = silences.extend(session, silence_id, body.ends_at, actor=actor.name, at=now)
        return silence_out(longer, now)
