"""Who was told of an incident, who was not, and why: the last decision of each stage."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboards.console.readmodels import DecisionLine
from monitor.response.facts import DECISION
from monitor.store.tables import TimelineRow


def decisions_of(session: Session, incident_id: int) -> tuple[DecisionLine, ...]:
    """In the order in which the stages last changed their mind."""
    rows = session.scalars(
        select(TimelineRow)
        .where(TimelineRow.incident_id == incident_id, TimelineRow.kind == DECISION)
        .order_by(TimelineRow.id)
    )
    last: dict[str, TimelineRow] = {}
    for row in rows:
        stage = str(row.data.get("stage", ""))
        last.pop(stage, None)
        last[stage] = row
    return tuple(
        DecisionLine(
            at=row.at, stage=stage, outcome=str(row.data.get("outcome", "")), text=row.text
        )
        for stage, row in last.items()
    )
