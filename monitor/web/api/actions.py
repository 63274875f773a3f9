"""Actions: what was done, refused or waits for a yes; and the switch that stops them all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from monitor.response import people
from monitor.store import switches
from monitor.store.tables import ActionRow
from monitor.web.access import MAX_ROW, RowId
from monitor.web.api.answers import ActionOut, SwitchOut
from monitor.web.api.texts import Note
from monitor.web.auth import Approver, Reader, services_of

router = APIRouter(prefix="/v1", tags=["actions"])


class Approval(BaseModel):
    """A yes to the plan with this hash, as it was read."""

    model_config = ConfigDict(extra="forbid")
    plan_hash: Annotated[str, Field(pattern=r"^[0-9a-z]{1,64}$")]


class Stop(BaseModel):
    model_config = ConfigDict(extra="forbid")
    stopped: bool
    reason: Note = ""


@router.get("/actions")
def list_actions(
    request: Request,
    actor: Reader,
    state: str | None = None,
    incident_id: Annotated[int | None, Query(ge=0, le=MAX_ROW)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ActionOut]:
    """Actions with their reasons, newest first."""
    query = select(ActionRow).order_by(ActionRow.id.desc()).limit(limit)
    if state is not None:
        query = query.where(ActionRow.state == state)
    if incident_id is not None:
        query = query.where(ActionRow.incident_id == incident_id)
    with services_of(request).sessions() as session:
        return [ActionOut.model_validate(row) for row in session.scalars(query)]


@router.post("/actions/{action_id}/approve", responses={404: {}, 409: {}})
def approve(request: Request, actor: Approver, action_id: RowId, body: Approval) -> ActionOut:
    """Allow a waiting action, exactly as its plan stands; the guard still decides."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = people.approve(
            session,
            action_id,
            plan_hash=body.plan_hash,
            actor=actor.name,
            at=services.clock.now(),
            announcer=request.app.state.announcer,
        )
        return ActionOut.model_validate(row)


@router.post("/switches/actions_stopped")
def stop_actions(request: Request, actor: Approver, body: Stop) -> SwitchOut:
    """Stop all actions of the fleet, or let them run again."""
    services = services_of(request)
    at = services.clock.now()
    with services.sessions.begin() as session:
        switches.set_switch(
            session,
            switches.ACTIONS_STOPPED,
            body.stopped,
            actor=actor.name,
            at=at,
            reason=body.reason,
        )
    return SwitchOut(name=switches.ACTIONS_STOPPED, on=body.stopped, actor=actor.name, at=at)
