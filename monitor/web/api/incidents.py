"""Incidents: read, acknowledged, resolved, and judged in hindsight."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.types import Disposition, IncidentState
from monitor.response import people
from monitor.response.accept import accept as accept_as_normal
from monitor.store.tables import ActionRow, IncidentRow, TimelineRow
from monitor.web.access import RowId
from monitor.web.api.answers import ActionOut, IncidentOut, IncidentStoryOut, TimelineOut
from monitor.web.api.texts import Note
from monitor.web.auth import Operator, Reader, services_of

router = APIRouter(prefix="/v1/incidents", tags=["incidents"])
States = Literal["open", "acknowledged", "mitigating", "monitoring", "resolved", "unresolved"]


class Resolution(BaseModel):
    model_config = ConfigDict(extra="forbid")
    note: Note = ""


class Acceptance(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: Annotated[Note, Field(min_length=1)]


class Hindsight(BaseModel):
    model_config = ConfigDict(extra="forbid")
    disposition: Disposition
    note: Note = ""


@router.get("")
def list_incidents(
    request: Request,
    actor: Reader,
    state: States | None = None,
    model: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[IncidentOut]:
    """Incidents, newest first; ``unresolved`` wants all that are not over."""
    query = select(IncidentRow).order_by(IncidentRow.id.desc()).limit(limit)
    if state == "unresolved":
        query = query.where(IncidentRow.state != IncidentState.RESOLVED.value)
    elif state is not None:
        query = query.where(IncidentRow.state == state)
    if model is not None:
        query = query.where(IncidentRow.model == model)
    with services_of(request).sessions() as session:
        return [IncidentOut.model_validate(row) for row in session.scalars(query)]


@router.get("/{incident_id}", responses={404: {}})
def get_incident(request: Request, actor: Reader, incident_id: RowId) -> IncidentStoryOut:
    """One incident with its timeline and the actions taken or refused."""
    with services_of(request).sessions() as session:
        return _story(session, incident_id)


@router.post("/{incident_id}/acknowledge", responses={404: {}, 409: {}})
def acknowledge(request: Request, actor: Operator, incident_id: RowId) -> IncidentStoryOut:
    """Take the incident: the paging stops."""
    services = services_of(request)
    with services.sessions.begin() as session:
        people.acknowledge(
            session,
            incident_id,
            actor=actor.name,
            at=services.clock.now(),
            announcer=request.app.state.announcer,
        )
        return _story(session, incident_id)


@router.post("/{incident_id}/resolve", responses={404: {}, 409: {}})
def resolve(
    request: Request, actor: Operator, incident_id: RowId, body: Resolution | None = None
) -> IncidentStoryOut:
    """Close the incident."""
    services = services_of(request)
    with services.sessions.begin() as session:
        people.resolve(
            session,
            incident_id,
            actor=actor.name,
            at=services.clock.now(),
            note=body.note if body else "",
            announcer=request.app.state.announcer,
        )
        return _story(session, incident_id)


@router.post("/{incident_id}/accept", responses={404: {}, 409: {}})
def accept(
    request: Request, actor: Operator, incident_id: RowId, body: Acceptance
) -> IncidentStoryOut:
    """Declare what the incident found to be the new normal: its streams learn it, it is closed."""
    services = services_of(request)
    with services.sessions.begin() as session:
        accept_as_normal(
            session,
            incident_id,
            reason=body.reason,
            settings=services.settings,
            actor=actor.name,
            at=services.clock.now(),
            announcer=request.app.state.announcer,
        )
        return _story(session, incident_id)


@router.post("/{incident_id}/disposition", responses={404: {}})
def disposition(
    request: Request, actor: Operator, incident_id: RowId, body: Hindsight
) -> IncidentStoryOut:
    """Say afterwards whether the alarm was right; vigil audits itself with it."""
    services = services_of(request)
    with services.sessions.begin() as session:
        people.disposition(
            session,
            incident_id,
            body.disposition.value,
            actor=actor.name,
            at=services.clock.now(),
            note=body.note,
        )
        return _story(session, incident_id)


def _story(session: Session, incident_id: int) -> IncidentStoryOut:
    row = session.get(IncidentRow, incident_id, populate_existing=True)
    if row is None:
        raise HTTPException(404, f"incident {incident_id}: there is none of that number")
    timeline = session.scalars(
        select(TimelineRow)
        .where(TimelineRow.incident_id == incident_id)
        .order_by(TimelineRow.at, TimelineRow.id)
    )
    actions = session.scalars(
        select(ActionRow).where(ActionRow.incident_id == incident_id).order_by(ActionRow.id)
    )
    return IncidentStoryOut(
        **IncidentOut.model_validate(row).model_dump(),
        timeline=[TimelineOut.model_validate(one) for one in timeline],
        actions=[ActionOut.model_validate(one) for one in actions],
    )
