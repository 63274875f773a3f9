"""Corrective actions as lines of a table."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboards.console.readmodels.incident import FollowupLine
from monitor.response import followups
from monitor.store.tables import IncidentRow


def lines(
    session: Session,
    now: datetime,
    *,
    incident_id: int | None = None,
    state: str | None = None,
) -> tuple[FollowupLine, ...]:
    """Open ones first, the overdue before the others."""
    rows = followups.listed(session, incident_id=incident_id, state=state)
    of = IncidentRow.id.in_({row.incident_id for row in rows})
    titles = {row.id: row.title for row in session.scalars(select(IncidentRow).where(of))}
    return tuple(
        FollowupLine(
            id=row.id,
            incident_id=row.incident_id,
            incident_title=titles.get(row.incident_id, ""),
            text=row.text,
            owner=row.owner,
            due_at=row.due_at,
            state=row.state,
            overdue=followups.is_overdue(row, now),
            created_by=row.created_by,
            closed_by=row.closed_by,
            closed_at=row.closed_at,
            note=row.note,
        )
        for row in rows
    )
