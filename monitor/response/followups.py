"""Corrective actions: what is to be done so that an incident does not come back, until it is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import TimelineEntry
from monitor.response import record
from monitor.store import audit
from monitor.store.tables import CorrectiveActionRow
from vigil.errors import ConflictError, NotFoundError, VigilError

OPEN, DONE, DROPPED = "open", "done", "dropped"
STATES = (OPEN, DONE, DROPPED)
_LONGEST = 2000


def add(
    session: Session,
    incident_id: int,
    text: str,
    *,
    actor: str,
    at: datetime,
    owner: str = "",
    due_at: datetime | None = None,
) -> CorrectiveActionRow:
    """Someone promises, or asks for, an improvement.

    Raises:
        NotFoundError: no such incident.
        VigilError: no text, or too long a one.
    """
    text = " ".join(text.split())
    if not 0 < len(text) <= _LONGEST:
        raise VigilError(f"text: expected 1 to {_LONGEST} characters, found {len(text)}")
    record.get(session, incident_id)
    row = CorrectiveActionRow(
        incident_id=incident_id,
        text=text,
        owner=" ".join(owner.split())[:200],
        due_at=due_at,
        state=OPEN,
        created_at=at,
        created_by=actor,
    )
    session.add(row)
    session.flush()
    due = f", by {due_at:%Y-%m-%d}" if due_at else ""
    who = f" ({row.owner}{due})" if row.owner else due
    _write(session, row, "added", f"To do, F-{row.id}{who}: {text}", actor, at)
    return row


def close(
    session: Session, number: int, state: str, *, actor: str, at: datetime, note: str = ""
) -> CorrectiveActionRow:
    """It is done, or dropped; a drop needs a reason.

    Raises:
        NotFoundError: there is none of that number.
        ConflictError: it is closed already.
        VigilError: dropped without a reason.
    """
    if state not in (DONE, DROPPED):
        raise VigilError(f"state: expected {DONE} or {DROPPED}, found {state!r}")
    note = " ".join(note.split())[:_LONGEST]
    if state == DROPPED and not note:
        raise VigilError("note: expected the reason why it is dropped, found none")
    row = session.get(CorrectiveActionRow, number, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError(f"corrective action F-{number}: there is none of that number")
    if row.state != OPEN:
        raise ConflictError(f"corrective action F-{number} is {row.state} already")
    row.state, row.closed_at, row.closed_by, row.note = state, at, actor, note
    session.flush()
    tail = f": {note}" if note else "."
    word = "Done" if state == DONE else "Dropped"
    _write(session, row, state, f"{word}, F-{row.id} ({row.text}){tail}", actor, at)
    return row


def listed(
    session: Session,
    *,
    incident_id: int | None = None,
    state: str | None = None,
    limit: int = 200,
) -> list[CorrectiveActionRow]:
    """Open ones first, the earliest due before those without a date; then the newest."""
    query = select(CorrectiveActionRow)
    if incident_id is not None:
        query = query.where(CorrectiveActionRow.incident_id == incident_id)
    if state is not None:
        query = query.where(CorrectiveActionRow.state == state)
    query = query.order_by(
        CorrectiveActionRow.state != OPEN,
        CorrectiveActionRow.due_at.is_(None),
        CorrectiveActionRow.due_at,
        CorrectiveActionRow.id.desc(),
    )
    return list(session.scalars(query.limit(limit)))


def is_overdue(row: CorrectiveActionRow, now: datetime) -> bool:
    return row.state == OPEN and row.due_at is not None and row.due_at < now


def count_open(session: Session) -> int:
    query = select(func.count()).select_from(CorrectiveActionRow)
    return session.scalar(query.where(CorrectiveActionRow.state == OPEN)) or 0


def _write(
    session: Session, row: CorrectiveActionRow, what: str, text: str, actor: str, at: datetime
) -> None:
    data = {"followup": row.id, "state": row.state}
    entry = TimelineEntry(at=at, kind="followup", actor=actor, text=text, data=data)
    record.note(session, row.incident_id, entry)
    audit.record(
        session,
        what=f"corrective action {what}",
        subject=f"incident {row.incident_id}",
        actor=actor,
        at=at,
        followup=row.id,
    )
