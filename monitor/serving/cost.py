"""What inferences cost: the price of the replicas that were there, over what they inferred."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor.settings.schema import WatchedModel
from monitor.store.tables import WindowRow

WINDOWS = 15
"""So many of the last windows are looked at."""


def cost_per_thousand(
    session: Session, watched: WatchedModel, *, now: datetime, window_s: float
) -> float | None:
    """Price of one replica an hour x hours that replicas sent windows / inferences x 1000.

    An idle replica sends windows, too, and costs as much. None without a price, or where nothing
    was inferred.
    """
    if watched.price_per_hour is None:
        return None
    rows = session.execute(
        select(WindowRow.start_at, WindowRow.end_at, func.sum(WindowRow.records))
        .where(
            WindowRow.model == watched.name,
            WindowRow.deployment == watched.deployment,
            WindowRow.end_at > now - timedelta(seconds=WINDOWS * window_s),
            WindowRow.origin == "live",
        )
        # Versions of one replica share its window.
        .group_by(WindowRow.source, WindowRow.start_at, WindowRow.end_at)
    ).all()
    records = sum(int(count) for _, _, count in rows)
    if not records:
        return None
    hours = sum((end - start).total_seconds() for start, end, _ in rows) / 3600.0
    return watched.price_per_hour * hours / records * 1000.0
