"""Incidents in the database: read, created, moved by the transitions of ``alerts.incidents``."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Table, bindparam, select, update
from sqlalchemy.orm import Session

from alerts.incidents import Change, Transition
from alerts.types import Incident, IncidentState, TimelineEntry
from monitor.response import facts
from monitor.store.tables import IncidentRow, TimelineRow
from vigil.errors import ConflictError, NotFoundError

_TABLE = cast("Table", IncidentRow.__table__)
_WRITE = (
    update(_TABLE)
    .where(_TABLE.c.id == bindparam("its_id"), _TABLE.c.version == bindparam("before"))
    .values({each.name: bindparam(each.name) for each in _TABLE.columns if each.name != "id"})
)
"""Made once: in a storm an incident is written for each alert."""


def get(session: Session, incident_id: int) -> Incident:
    """One incident.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = session.get(IncidentRow, incident_id, populate_existing=True)
    if row is None:
        raise NotFoundError(f"incident {incident_id}: there is none of that number")
    return Incident.from_columns(row)


def open_incidents(
    session: Session, model: str | None = None, deployment: str | None = None
) -> list[Incident]:
    """Those that are not resolved, oldest first."""
    query = select(IncidentRow).where(IncidentRow.state != IncidentState.RESOLVED.value)
    if model is not None:
        query = query.where(IncidentRow.model == model)
    if deployment is not None:
        query = query.where(IncidentRow.deployment == deployment)
    return [Incident.from_columns(row) for row in session.scalars(query.order_by(IncidentRow.id))]


def recent_incidents(
    session: Session, model: str, deployment: str, since: datetime
) -> list[Incident]:
    """Those of one model that are open or were resolved after ``since``."""
    query = select(IncidentRow).where(
        IncidentRow.model == model,
        IncidentRow.deployment == deployment,
        (IncidentRow.resolved_at.is_(None)) | (IncidentRow.resolved_at >= since),
    )
    return [Incident.from_columns(row) for row in session.scalars(query.order_by(IncidentRow.id))]


def create(session: Session, incident: Incident, entry: TimelineEntry) -> Incident:
    """A new incident with the first line of its timeline; its number comes from the database."""
    row = IncidentRow(**incident.columns())
    session.add(row)
    session.flush()
    note(session, row.id, entry)
    created = Incident.from_columns(row)
    facts.changed(session, created)
    return created


def save(session: Session, moved: Transition) -> Incident:
    """Write a transition and its timeline entry; one that changed nothing writes nothing.

    Raises:
        ConflictError: someone else moved the incident first; read it again and decide anew.
    """
    incident = moved.incident
    if not moved.changed:
        return incident
    values = {"its_id": incident.id, "before": incident.version - 1, **incident.columns()}
    written = cast("CursorResult[Any]", session.execute(_WRITE, values))
    if written.rowcount != 1:
        raise ConflictError(f"incident {incident.id} was changed by someone else meanwhile")
    if moved.entry is not None:
        note(session, incident.id, moved.entry)
    facts.changed(session, incident)
    return incident


def note(session: Session, incident_id: int, entry: TimelineEntry) -> None:
    """One more line of the timeline."""
    session.add(
        TimelineRow(
            incident_id=incident_id,
            at=entry.at,
            kind=entry.kind,
            actor=entry.actor,
            text=entry.text,
            data=dict(entry.data),
        )
    )


def touch(session: Session, incident: Incident) -> Incident:
    """Count a change that is not a transition, so that its messages have a name of their own.

    Raises:
        ConflictError: someone else moved the incident first.
    """
    text = "its actions changed"
    following = replace(incident, version=incident.version + 1)
    moved = Transition(change=Change.CHANGED, incident=following, entry=None, reason=text)
    return save(session, moved)
