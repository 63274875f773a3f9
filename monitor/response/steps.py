"""Steps of a runbook that people have done for an incident: who, and when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.types import TimelineEntry
from monitor.response import record
from monitor.store import audit
from monitor.store.tables import RunbookTickRow
from runbooks.library import Runbook
from vigil.errors import NotFoundError


def ticks_of(session: Session, incident_id: int, runbook: str) -> dict[int, RunbookTickRow]:
    """What was ticked of one page for one incident, by the number of the step."""
    rows = session.scalars(
        select(RunbookTickRow).where(
            RunbookTickRow.incident_id == incident_id, RunbookTickRow.runbook == runbook
        )
    )
    return {int(row.step): row for row in rows if row.step.isdigit()}


def tick(
    session: Session, incident_id: int, book: Runbook, number: int, *, actor: str, at: datetime
) -> bool:
    """Someone has done a step; False where it was ticked before, which changes nothing.

    Raises:
        NotFoundError: no such incident, or the page has no such step.
    """
    text = _step(book, number)
    incident = record.get(session, incident_id)
    if number in ticks_of(session, incident_id, book.name):
        return False
    row = RunbookTickRow(
        incident_id=incident_id, runbook=book.name, step=str(number), at=at, actor=actor
    )
    try:
        with session.begin_nested():
            session.add(row)
    except IntegrityError:
        return False  # someone was faster
    _write(session, incident.id, book, number, f"Did step {number}: {text}", actor, at)
    return True


def untick(
    session: Session, incident_id: int, book: Runbook, number: int, *, actor: str, at: datetime
) -> bool:
    """Take a tick back; False where there was none. Raises as ``tick``."""
    _step(book, number)
    incident = record.get(session, incident_id)
    row = ticks_of(session, incident_id, book.name).get(number)
    if row is None:
        return False
    session.delete(row)
    session.flush()
    _write(session, incident.id, book, number, f"Took step {number} back.", actor, at)
    return True


def _step(book: Runbook, number: int) -> str:
    for step in book.steps:
        if step.number == number:
            return step.text
    raise NotFoundError(
        f"runbook {book.name!r}: expected a step from 1 to {len(book.steps)}, found {number}"
    )


def _write(
    session: Session,
    incident_id: int,
    book: Runbook,
    number: int,
    text: str,
    actor: str,
    at: datetime,
) -> None:
    data = {"runbook": book.name, "step": number}
    entry = TimelineEntry(at=at, kind="runbook", actor=actor, text=text, data=data)
    record.note(session, incident_id, entry)
    audit.record(
        session,
        what="runbook step",
        subject=f"incident {incident_id}",
        actor=actor,
        at=at,
        runbook=book.name,
        step=number,
    )
