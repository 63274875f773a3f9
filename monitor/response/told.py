"""What became of each message, in the incident's timeline: one line for a receiver and an event."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.delivery import OutboxState
from alerts.types import TimelineEntry
from monitor.response import record
from monitor.store.tables import IncidentRow, OutboxRow

_ENDS = {
    OutboxState.DELIVERED.value: ("delivered", "{receiver} has the {event}{tries}."),
    OutboxState.DEAD.value: ("undelivered", "{receiver} does not get the {event}: {error}."),
}


def note(session: Session, row: OutboxRow, now: datetime) -> None:
    """Write down that a message arrived, or was given up; not each attempt. That the first page
    arrived is told as such already."""
    if row.incident_id is None or row.state not in _ENDS:
        return
    incident = session.get(IncidentRow, row.incident_id, populate_existing=True)
    if incident is None or (row.event == "trigger" and incident.paged_at == now):
        return
    kind, form = _ENDS[row.state]
    tries = f", at attempt {row.attempts}" if row.attempts > 1 else ""
    error = row.last_error.rstrip(".") or "no reason was given"
    text = form.format(receiver=row.receiver, event=row.event, tries=tries, error=error)
    data = {"receiver": row.receiver, "event": row.event, "message": row.id}
    entry = TimelineEntry(at=now, kind=kind, actor="vigil", text=text, data=data)
    record.note(session, row.incident_id, entry)
