"""Canaries: started and ended by people and pipelines, and what came of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from monitor.canary import manage
from monitor.canary.state import CanaryRules
from monitor.settings.fields import Name, Share
from monitor.web.access import RowId
from monitor.web.api.answers import Answer
from monitor.web.api.texts import Note, Version
from monitor.web.auth import Operator, Reader, services_of

router = APIRouter(prefix="/v1/canaries", tags=["canaries"])

Inside = Annotated[float, Field(gt=0, lt=1, strict=True)]


class Start(BaseModel):
    """A candidate that gets ``share`` of the units, split at random; see ``vigil canary start``."""

    model_config = ConfigDict(extra="forbid")
    model: Name
    candidate: Version
    deployment: Name = "production"
    control: Version | None = None
    share: Inside
    margin: Share = manage.MARGIN
    alpha: Inside = manage.ALPHA
    separator: Annotated[str, Field(max_length=manage.LONGEST_SEPARATOR)] = ""
    least_inclusion: Share = 0.0


class End(BaseModel):
    model_config = ConfigDict(extra="forbid")
    note: Note = ""


class CanaryOut(Answer):
    id: int
    model: str
    deployment: str
    control: str
    candidate: str
    share: float
    margin: float
    alpha: float
    state: str
    started_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    actor: str
    units: int
    evidence_accept: float
    evidence_rollback: float
    result: dict[str, Any]


@router.post("", status_code=201, responses={404: {}, 409: {}, 422: {}})
def start(request: Request, actor: Operator, body: Start) -> CanaryOut:
    """Watch a candidate beside the version that serves."""
    services = services_of(request)
    said = body.model_dump()
    rules = CanaryRules(
        separator=said.pop("separator"), least_inclusion=said.pop("least_inclusion")
    )
    with services.sessions.begin() as session:
        row = manage.start(
            session,
            services.settings,
            actor=actor.name,
            at=services.clock.now(),
            rules=rules,
            **said,
        )
        return CanaryOut.model_validate(row)


@router.get("")
def list_canaries(
    request: Request,
    actor: Reader,
    model: str | None = None,
    deployment: str | None = None,
    candidate: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[CanaryOut]:
    """Canaries, newest first."""
    with services_of(request).sessions() as session:
        found = manage.listed(session, model, deployment, candidate, limit=limit)
        return [CanaryOut.model_validate(row) for row in found]


@router.post("/{canary_id}/end", responses={404: {}, 409: {}})
def end(request: Request, actor: Operator, canary_id: RowId, body: End) -> CanaryOut:
    """End a canary, undecided."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = manage.end(
            session, canary_id, actor=actor.name, at=services.clock.now(), note=body.note
        )
        return CanaryOut.model_validate(row)
