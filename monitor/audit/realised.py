"""The false alarms that people named, against the budget."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import AlertKind, Disposition
from monitor.audit.report import Realised
from monitor.settings.schema import Budget
from monitor.store.tables import IncidentRow, TickRow

DAYS = 30.0
OUTSIDE_THE_BUDGET = (
    AlertKind.NO_DATA,
    AlertKind.HARD_FAULT,
    AlertKind.VIGIL_SELF,
    AlertKind.SERVING_MISMATCH,
    AlertKind.BASELINE_DRIFT,
)
"""Plain rules page by themselves, and tickets page nobody: the budget is that of the evidence."""


def realised(session: Session, budget: Budget, *, now: datetime, days: float = DAYS) -> Realised:
    """Incidents of the last days that evidence raised, by what people said of them.

    A deployment that is younger is held to the budget of its age.
    """
    first = session.scalar(select(func.min(TickRow.end_at)))
    age = (now - first).total_seconds() / 86_400.0 if first is not None else 0.0
    span = max(0.0, min(days, age))
    query = (
        select(IncidentRow.disposition, func.count())
        .where(
            IncidentRow.detected_at >= now - timedelta(days=days),
            IncidentRow.kind.not_in([kind.value for kind in OUTSIDE_THE_BUDGET]),
        )
        .group_by(IncidentRow.disposition)
    )
    counts: dict[str | None, int] = {row[0]: row[1] for row in session.execute(query)}
    return Realised(
        days=span,
        false_pages=counts.get(Disposition.FALSE_ALARM.value, 0),
        undecided=counts.get(None, 0),
        budget_pages=budget.false_pages * span / budget.per_days,
    )
