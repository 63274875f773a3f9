"""What the pipeline knows of the database, read once per session and kept up to date with it.

A storm of alerts in one transaction asks the database once.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import event, or_, select
from sqlalchemy.orm import Session, SessionTransaction

from alerts.pipeline.case import Known
from alerts.pipeline.decision import Decision
from alerts.types import Incident, IncidentState, MessageEvent
from monitor.response.silences_active import active
from monitor.store.tables import IncidentRow, OutboxRow, TimelineRow

_KEY = "vigil_known"
DECISION = "decision"
_BOUNDS = (MessageEvent.TRIGGER.value, MessageEvent.RESOLVE.value)


def known(session: Session, at: datetime, *, since: datetime | None = None) -> Known:
    """Open incidents, those resolved after ``since``, and the silences of this moment."""
    held: tuple[datetime, Known] | None = session.info.get(_KEY)
    since = since or at
    if held is not None and held[0] <= since:
        return held[1]
    rows = session.scalars(
        select(IncidentRow)
        .where(
            or_(
                IncidentRow.state != IncidentState.RESOLVED.value,
                IncidentRow.resolved_at >= since,
            )
        )
        .order_by(IncidentRow.id)
    )
    found = Known(
        recent=tuple(Incident.from_columns(row) for row in rows),
        silences=tuple(active(session, at)),
    )
    if _KEY not in session.info:
        event.listen(session, "after_soft_rollback", _forget)
    session.info[_KEY] = (since, found)
    return found


def changed(session: Session, incident: Incident) -> None:
    """Keep what is known in step with an incident that this session wrote."""
    held: tuple[datetime, Known] | None = session.info.get(_KEY)
    if held is None:
        return
    since, found = held
    others = [each for each in found.recent if each.id != incident.id]
    recent = tuple(sorted((*others, incident), key=lambda each: each.id))
    session.info[_KEY] = (since, replace(found, recent=recent))


def _forget(session: Session, previous: SessionTransaction) -> None:
    del previous
    if session.info.get(_KEY) is not None:
        session.info[_KEY] = None


def told(session: Session, incident_id: int) -> tuple[str, ...]:
    """The receivers that know of an incident: told of its trigger, or about to be, and not of its
    end since. When it comes back they are told afresh."""
    rows = session.execute(
        select(OutboxRow.receiver, OutboxRow.event, OutboxRow.state)
        .where(OutboxRow.incident_id == incident_id, OutboxRow.event.in_(_BOUNDS))
        .order_by(OutboxRow.id)
    )
    knowing: dict[str, None] = {}
    for receiver, event_name, state in rows:
        if event_name == MessageEvent.RESOLVE.value:
            knowing.pop(receiver, None)
        elif state != "withdrawn":
            knowing[receiver] = None
    return tuple(knowing)


def unreached(session: Session, incident_id: int) -> frozenset[str]:
    """Receivers that should know of an incident and do not: all that was sent was given up."""
    rows = session.execute(
        select(OutboxRow.receiver, OutboxRow.state).where(OutboxRow.incident_id == incident_id)
    )
    states: dict[str, set[str]] = {}
    for receiver, state in rows:
        states.setdefault(receiver, set()).add(state)
    return frozenset(name for name, found in states.items() if found <= {"dead", "withdrawn"})


def decisions(session: Session, incident_ids: list[int]) -> dict[int, dict[str, Decision]]:
    """The last decision of each stage, by incident."""
    found: dict[int, dict[str, Decision]] = {each: {} for each in incident_ids}
    rows: Any = session.execute(
        select(TimelineRow.incident_id, TimelineRow.data)
        .where(TimelineRow.incident_id.in_(incident_ids), TimelineRow.kind == DECISION)
        .order_by(TimelineRow.id)
    )
    for incident_id, data in rows:
        decision = Decision.from_json(data)
        if decision is not None:
            found[incident_id][decision.stage] = decision
    return found
