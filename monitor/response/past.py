"""What the database knows of an incident's past: its returns, those like it, those dismissed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import Incident, IncidentState
from monitor.store.tables import ActionRow, IncidentRow, TimelineRow

_CURED = ("recovered", "done")


def reopenings(session: Session, incident_id: int) -> list[datetime]:
    """When the incident came back, oldest first."""
    rows = select(TimelineRow.at).where(
        TimelineRow.incident_id == incident_id, TimelineRow.kind == "reopened"
    )
    return list(session.scalars(rows.order_by(TimelineRow.at)))


def dismissed(
    session: Session, model: str | None = None, deployment: str | None = None
) -> list[Incident]:
    """Those that a person resolved while they fired, where no later one of their group took their
    place. What was accepted as the new normal is none of them."""
    latest = select(func.max(IncidentRow.id)).group_by(IncidentRow.group_key)
    accepted = select(TimelineRow.incident_id).where(TimelineRow.kind == "accepted")
    query = select(IncidentRow).where(
        IncidentRow.state == IncidentState.RESOLVED.value,
        IncidentRow.recovered_at.is_(None),
        IncidentRow.id.in_(latest),
        IncidentRow.id.not_in(accepted),
    )
    if model is not None:
        query = query.where(IncidentRow.model == model)
    if deployment is not None:
        query = query.where(IncidentRow.deployment == deployment)
    return [Incident.from_columns(row) for row in session.scalars(query.order_by(IncidentRow.id))]


def latest_like(session: Session, fingerprint: str, *, since: datetime) -> Incident | None:
    """The newest resolved incident of the same fingerprint that was detected since then."""
    row = session.scalar(
        select(IncidentRow)
        .where(
            IncidentRow.fingerprint == fingerprint,
            IncidentRow.state == IncidentState.RESOLVED.value,
            IncidentRow.detected_at >= since,
        )
        .order_by(IncidentRow.id.desc())
        .limit(1)
    )
    return None if row is None else Incident.from_columns(row)


def how_solved(session: Session, incident: Incident) -> str:
    """What ended an incident, in a sentence: the action that cured it, else how it was resolved,
    and what people said that it was."""
    action = session.scalar(
        select(ActionRow)
        .where(ActionRow.incident_id == incident.id, ActionRow.state.in_(_CURED))
        .order_by(ActionRow.id.desc())
        .limit(1)
    )
    told = str(action.result.get("text", "")) if action is not None else ""
    if not told:
        told = (
            session.scalar(
                select(TimelineRow.text)
                .where(TimelineRow.incident_id == incident.id, TimelineRow.kind == "resolved")
                .order_by(TimelineRow.id.desc())
                .limit(1)
            )
            or "Resolved."
        )
    if incident.disposition is not None:
        told += f" It was called {incident.disposition.value.replace('_', ' ')}."
    return told


def repeat_words(session: Session, earlier: Incident) -> str:
    """As in "Like incident 12 of 2026-11-03: Rolled back to v1."."""
    solved = how_solved(session, earlier)
    return f"Like incident {earlier.id} of {earlier.detected_at:%Y-%m-%d}: {solved}"
