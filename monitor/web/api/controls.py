"""Softer actions: asked for by operators, allowed by approvers, carried out by the service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from monitor.controls import manage
from monitor.controls.open import values_of
from monitor.settings.fields import Name
from monitor.web.access import MAX_ROW, Permission, RowId
from monitor.web.api.actions import Approval
from monitor.web.api.answers import Answer
from monitor.web.api.texts import Note, Version
from monitor.web.auth import Approver, Operator, Reader, services_of

router = APIRouter(prefix="/v1/controls", tags=["controls"])


class Ask(BaseModel):
    """Set ``what`` (threshold, flag, share, kill) ``name`` to ``value``. ``approve``: at once; that
    takes an approver."""

    model_config = ConfigDict(extra="forbid")
    model: Name
    deployment: Name = "production"
    what: Annotated[str, Field(max_length=20)]
    name: Version | None = None
    value: Annotated[str, Field(max_length=200)]
    reason: Note = ""
    incident_id: Annotated[int | None, Field(ge=1, le=MAX_ROW)] = None
    approve: bool = False


class ControlOut(Answer):
    id: int
    model: str
    deployment: str
    what: str
    name: str
    before: str
    after: str
    reason: str
    incident_id: int | None
    plan_hash: str
    state: str
    decision: dict[str, Any]
    result: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    executed_at: datetime | None
    actor: str
    approved_by: str | None


@router.post("", status_code=201, responses={403: {}, 404: {}, 409: {}, 422: {}})
def ask(request: Request, actor: Operator, body: Ask) -> ControlOut:
    """Ask for a control."""
    if body.approve and not actor.may(Permission.APPROVE):
        raise HTTPException(403, f"{actor.name} may not do this: '{Permission.APPROVE.value}'")
    services = services_of(request)
    with services.sessions.begin() as session:
        at = services.clock.now()
        row = manage.propose(
            session,
            model=body.model,
            deployment=body.deployment,
            what=body.what,
            name=body.name or "",
            value=body.value,
            actor=actor.name,
            at=at,
            target=values_of(services.settings, body.model, body.deployment),
            reason=body.reason,
            incident_id=body.incident_id,
        )
        if body.approve:
            manage.approve(session, row.id, plan_hash=row.plan_hash, actor=actor.name, at=at)
        return ControlOut.model_validate(row)


@router.get("")
def list_controls(
    request: Request,
    actor: Reader,
    model: str | None = None,
    deployment: str | None = None,
    incident_id: Annotated[int | None, Query(ge=0, le=MAX_ROW)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ControlOut]:
    """Controls, newest first."""
    with services_of(request).sessions() as session:
        found = manage.listed(session, model, deployment, incident_id=incident_id, limit=limit)
        return [ControlOut.model_validate(row) for row in found]


@router.post("/{control_id}/approve", responses={404: {}, 409: {}})
def approve(request: Request, actor: Approver, control_id: RowId, body: Approval) -> ControlOut:
    """Allow a waiting control, exactly as its plan stands; the guard still decides."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = manage.approve(
            session,
            control_id,
            plan_hash=body.plan_hash,
            actor=actor.name,
            at=services.clock.now(),
        )
        return ControlOut.model_validate(row)


@router.post("/{control_id}/withdraw", responses={404: {}, 409: {}})
def withdraw(request: Request, actor: Operator, control_id: RowId) -> ControlOut:
    """Take a waiting control back."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = manage.withdraw(session, control_id, actor=actor.name, at=services.clock.now())
        return ControlOut.model_validate(row)


@router.post("/{control_id}/undo", status_code=201, responses={404: {}, 409: {}})
def undo(request: Request, actor: Operator, control_id: RowId) -> ControlOut:
    """Ask for what was before a control."""
    services = services_of(request)
    with services.sessions.begin() as session:
        first = manage.held(session, control_id)
        row = manage.undo(
            session,
            control_id,
            actor=actor.name,
            at=services.clock.now(),
            target=values_of(services.settings, first.model, first.deployment),
        )
        return ControlOut.model_validate(row)
