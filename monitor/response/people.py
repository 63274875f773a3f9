"""What people do to incidents and actions: the transition, its record and who is told.

Every function writes in the transaction of the session that it is given. With an ``announcer``
the receivers are told too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.incidents import Transition
from alerts.types import Disposition, Incident, MessageEvent, TimelineEntry
from monitor.response import record
from monitor.store import audit
from monitor.store.tables import ActionRow
from vigil.errors import ConflictError, NotFoundError, VigilError

_APPROVABLE = ("proposed", "waiting")


class Teller(Protocol):
    def tell(
        self,
        session: Session,
        incident: Incident,
        event: MessageEvent,
        *,
        at: datetime,
        note: str = "",
        told_by: str = "",
    ) -> None: ...


def acknowledge(
    session: Session,
    incident_id: int,
    *,
    actor: str,
    at: datetime,
    announcer: Teller | None = None,
    told_by: str = "",
) -> Incident:
    """Someone takes the incident; ``told_by`` is the receiver that said so, if one did.

    Raises:
        NotFoundError: no such incident.
        ConflictError: it is resolved, or someone changed it meanwhile.
    """
    moved = incidents.acknowledge(record.get(session, incident_id), at=at, actor=actor)
    event = MessageEvent.ACKNOWLEDGE
    return _save(session, moved, "acknowledged", event, actor, at, announcer, told_by)


def resolve(
    session: Session,
    incident_id: int,
    *,
    actor: str,
    at: datetime,
    note: str = "",
    announcer: Teller | None = None,
    told_by: str = "",
) -> Incident:
    """Someone closes the incident; ``note`` says what was found. Raises as ``acknowledge``."""
    text = f"Resolved by {actor}: {note}" if note else ""
    moved = incidents.resolve(record.get(session, incident_id), at=at, actor=actor, text=text)
    return _save(session, moved, "resolved", MessageEvent.RESOLVE, actor, at, announcer, told_by)


def reopen(
    session: Session,
    incident_id: int,
    *,
    actor: str,
    at: datetime,
    announcer: Teller | None = None,
    told_by: str = "",
) -> Incident:
    """Someone says that it is not over after all; everyone is told anew.

    Raises:
        NotFoundError: no such incident.
        ConflictError: someone changed it meanwhile.
    """
    text = f"Reopened by {actor}."
    moved = incidents.reopen(record.get(session, incident_id), at=at, actor=actor, text=text)
    return _save(session, moved, "reopened", MessageEvent.TRIGGER, actor, at, announcer, told_by)


def disposition(
    session: Session, incident_id: int, value: str, *, actor: str, at: datetime, note: str = ""
) -> Incident:
    """Someone says afterwards what the incident was: true_alarm, false_alarm or expected.

    Raises:
        VigilError: another value.
        NotFoundError: no such incident.
    """
    if value not in set(Disposition):
        raise VigilError(f"disposition: expected one of {', '.join(Disposition)}, found {value!r}")
    moved = incidents.dispose(
        record.get(session, incident_id),
        at=at,
        actor=actor,
        disposition=Disposition(value),
        note=note,
    )
    return _save(session, moved, "disposition", None, actor, at, None)


def approve(
    session: Session,
    action_id: int,
    *,
    plan_hash: str,
    actor: str,
    at: datetime,
    announcer: Teller | None = None,
) -> ActionRow:
    """Someone says yes to the plan that they read, and to no other.

    The guard still decides when the action is due: an approval expires.

    Raises:
        NotFoundError: no such action.
        ConflictError: the plan is another one by now, or the action waits for nobody.
    """
    row = session.get(ActionRow, action_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(f"action {action_id}: there is none of that number")
    if row.plan_hash != plan_hash:
        raise ConflictError(
            f"action {action_id}: expected the hash of its plan, {row.plan_hash}, found "
            f"{plan_hash!r}: read the plan again"
        )
    if row.state not in _APPROVABLE:
        raise ConflictError(f"action {action_id}: it waits for nobody, it is {row.state}")
    row.approved_by = actor
    row.updated_at = at
    row.decision = {
        **row.decision,
        "approval": {"plan_hash": plan_hash, "by": actor, "at": at.isoformat()},
    }
    text = f"{actor} approved the {row.kind} ({plan_hash[:12]})."
    entry = TimelineEntry(at=at, kind="approved", actor=actor, text=text)
    record.note(session, row.incident_id, entry)
    audit.record(
        session,
        what="action approved",
        subject=f"action {action_id}",
        actor=actor,
        at=at,
        plan_hash=plan_hash,
    )
    session.flush()
    if announcer is not None:
        touched = record.touch(session, record.get(session, row.incident_id))
        announcer.tell(session, touched, MessageEvent.UPDATE, at=at, note=text)
    return row


def _save(
    session: Session,
    moved: Transition,
    what: str,
    event: MessageEvent | None,
    actor: str,
    at: datetime,
    announcer: Teller | None,
    told_by: str = "",
) -> Incident:
    if moved.change is incidents.Change.STALE:
        raise ConflictError(moved.reason)
    incident = record.save(session, moved)
    if moved.changed:
        audit.record(
            session,
            what=f"incident {what}",
            subject=f"incident {incident.id}",
            actor=actor,
            at=at,
            version=incident.version,
        )
        if event is not None and announcer is not None:
            announcer.tell(session, incident, event, at=at, note=moved.reason, told_by=told_by)
    return incident
