"""What inferences cost: the price of the replicas that were there, over what they inferred."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import distinct, func, select
from sqlalchemy.orm import Session

from monitor.settings.schema import WatchedModel
from monitor.store.tables import WindowRow

WINDOWS = 15
"""So many of the last windows are looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a model cost in a stretch of time, in the currency of its price.

    ``hours``: of all replicas together; an idle one sends windows, too, and costs as much.
    ``records``: inferences. ``total``: price of a replica an hour x hours.
    """

    hours: float
    records: int
    total: float

    @property
    def per_thousand(self) -> float | None:
        """``total`` / ``records`` x 1000; None where nothing was inferred."""
        return self.total / self.records * 1000.0 if self.records else None


def cost_since(session: Session, watched: WatchedModel, start: datetime) -> Cost | None:
    """Of the live windows that ended after ``start``. None without a price, or where none did."""
    if watched.price_per_hour is None:
        return None
    rows = session.execute(
        select(
            WindowRow.start_at,
            WindowRow.end_at,
            # Versions of one replica share its window.
            func.count(distinct(WindowRow.source)),
            func.sum(WindowRow.records),
        )
        .where(
            WindowRow.model == watched.name,
            WindowRow.deployment == watched.deployment,
            WindowRow.end_at > start,
            WindowRow.origin == "live",
        )
        .group_by(WindowRow.start_at, WindowRow.end_at)
    ).all()
    if not rows:
        return None
    seconds = sum((last - first).total_seconds() * replicas for first, last, replicas, _ in rows)
    hours = seconds / 3600.0
    return Cost(
        hours=hours,
        records=sum(int(records) for *_, records in rows),
        total=watched.price_per_hour * hours,
    )


def cost_per_thousand(
    session: Session, watched: WatchedModel, *, now: datetime, window_s: float
) -> float | None:
    """What 1000 inferences cost in the last 15 windows; None where that is not known."""
    found = cost_since(session, watched, now - timedelta(seconds=WINDOWS * window_s))
    return None if found is None else found.per_thousand
