"""Controls that people ask for, approve, take back or undo; each change is audited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import TimelineEntry
from monitor.controls.plan import ControlError, ControlPlan, What, checked
from monitor.controls.targets import Values
from monitor.response import record
from monitor.store import audit, installation
from monitor.store.database import take_turns
from monitor.store.tables import ControlRow
from vigil.errors import ConflictError, NotFoundError

OPEN = ("waiting", "executing")
_TURN = 0x6374726C


def propose(
    session: Session,
    *,
    model: str,
    deployment: str,
    what: str,
    name: str,
    value: str,
    actor: str,
    at: datetime,
    target: Values | None,
    reason: str = "",
    incident_id: int | None = None,
) -> ControlRow:
    """Ask for a control; the guard decides when and whether.

    Raises:
        ControlError: a kind, name or value that does not fit.
        ConflictError: it is so already, or another plan for it has not finished.
        NotFoundError: no such incident.
    """
    kind, name, value = checked(what, name, value)
    if incident_id is not None:
        record.get(session, incident_id)
    return _propose(
        session, model, deployment, kind, name, value, actor, at, target, reason, incident_id
    )


def undo(
    session: Session, control_id: int, *, actor: str, at: datetime, target: Values | None
) -> ControlRow:
    """Ask for what was before a control; refused where someone has changed it since.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it was not carried out, or is undone already.
    """
    row = held(session, control_id)
    if row.state != "done" or "undone_by" in row.result:
        raise ConflictError(f"control {control_id} can't be undone: {_standing(row)}")
    return _propose(
        session,
        row.model,
        row.deployment,
        What(row.what),
        row.name,
        row.before,
        actor,
        at,
        target,
        f"undoes control {row.id}",
        row.incident_id,
        undoes=row,
    )


def approve(
    session: Session, control_id: int, *, plan_hash: str, actor: str, at: datetime
) -> ControlRow:
    """Allow a waiting control, exactly as its plan stands; the guard still decides.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it waits no more, or its plan is another one.
    """
    row = held(session, control_id)
    if row.state != "waiting":
        raise ConflictError(f"control {control_id} does not wait: {_standing(row)}")
    if plan_hash != row.plan_hash:
        raise ConflictError(f"control {control_id}: its plan is another one: read it again")
    row.approved_by, row.updated_at = actor[:200], at
    approval = {"plan_hash": plan_hash, "by": actor, "at": at.isoformat()}
    row.decision = {**row.decision, "approval": approval}
    tell(session, row, "control approved", actor, at, f"{actor} approved: {plan_of(row).text}.")
    return row


def withdraw(session: Session, control_id: int, *, actor: str, at: datetime) -> ControlRow:
    """Take a waiting control back.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it waits no more.
    """
    row = held(session, control_id)
    if row.state != "waiting":
        raise ConflictError(f"control {control_id} does not wait: {_standing(row)}")
    row.state, row.updated_at = "refused", at
    row.result = {**row.result, "text": f"withdrawn by {actor}"}
    tell(session, row, "control withdrawn", actor, at, f"{actor} withdrew: {plan_of(row).text}.")
    return row


def held(session: Session, control_id: int) -> ControlRow:
    """One control, locked until the commit.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = session.get(ControlRow, control_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(f"control {control_id}: there is none of that number")
    return row


def listed(
    session: Session,
    model: str | None = None,
    deployment: str | None = None,
    *,
    incident_id: int | None = None,
    limit: int = 100,
) -> Sequence[ControlRow]:
    """Controls, newest first."""
    query = select(ControlRow).order_by(ControlRow.id.desc()).limit(limit)
    for column, value in (
        (ControlRow.model, model),
        (ControlRow.deployment, deployment),
        (ControlRow.incident_id, incident_id),
    ):
        if value is not None:
            query = query.where(column == value)
    return session.scalars(query).all()


def one_by_one(session: Session) -> None:
    """Of two that ask or judge at once, one comes second and sees what the first did."""
    take_turns(session, _TURN)


def plan_of(row: ControlRow) -> ControlPlan:
    return ControlPlan.from_json(row.decision["plan"])


def tell(session: Session, row: ControlRow, what: str, actor: str, at: datetime, text: str) -> None:
    """Into the audit, and into the timeline of the incident that called for it."""
    audit.record(
        session,
        what=what,
        subject=f"{row.model}/{row.deployment}: {row.what} {row.name}".strip(),
        actor=actor,
        at=at,
        control=row.id,
        before=row.before,
        after=row.after,
    )
    if row.incident_id is not None:
        entry = TimelineEntry(
            at=at, kind="control", actor=actor, text=text, data={"control": row.id}
        )
        record.note(session, row.incident_id, entry)


def _propose(
    session: Session,
    model: str,
    deployment: str,
    kind: What,
    name: str,
    value: str,
    actor: str,
    at: datetime,
    target: Values | None,
    reason: str,
    incident_id: int | None,
    *,
    undoes: ControlRow | None = None,
) -> ControlRow:
    if target is None:
        raise ControlError(f"{model}/{deployment}: no target for controls is configured")
    one_by_one(session)
    same = (
        ControlRow.model == model,
        ControlRow.deployment == deployment,
        ControlRow.what == kind.value,
        ControlRow.name == name,
    )
    waiting = session.scalar(select(ControlRow.id).where(*same, ControlRow.state.in_(OPEN)))
    if waiting is not None:
        raise ConflictError(f"control {waiting} for it has not finished: withdraw it first")
    before = target.current(model, deployment, kind.value, name)
    if before is None:
        before = session.scalar(
            select(ControlRow.after)
            .where(*same, ControlRow.state == "done")
            .order_by(ControlRow.id.desc())
            .limit(1)
        )
    if (before or "") == value:
        raise ConflictError(f"{kind} {name}".strip() + f" is {value or 'not set'} already")
    turn = session.scalar(select(func.count()).select_from(ControlRow).where(*same)) or 0
    plan = ControlPlan(
        installation=installation.of(session),
        model=model,
        deployment=deployment,
        what=kind.value,
        name=name,
        before=before or "",
        after=value,
        turn=turn + 1,
        incident_id=incident_id or 0,
        undoes=undoes.id if undoes is not None else 0,
    )
    decision: dict[str, Any] = {"plan": plan.to_json()}
    row = ControlRow(
        model=model,
        deployment=deployment,
        what=kind.value,
        name=name,
        before=plan.before,
        after=value,
        reason=reason,
        incident_id=incident_id,
        plan_hash=plan.hash,
        state="waiting",
        decision=decision,
        created_at=at,
        updated_at=at,
        actor=actor[:200],
    )
    session.add(row)
    session.flush()
    why = f" ({reason})" if reason else ""
    tell(session, row, "control asked for", actor, at, f"{actor} asked for {plan.text}{why}.")
    return row


def _standing(row: ControlRow) -> str:
    if "undone_by" in row.result:
        return f"undone by control {row.result['undone_by']}"
    return row.state
