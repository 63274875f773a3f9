"""After a restart the ring of recent ticks is read back from what those ticks counted."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.checks.apart import Apart
from monitor.checks.gather import recall
from monitor.checks.recent import KEPT_TICKS, RecentTicks
from monitor.checks.references import References
from monitor.store.tables import TickRow


def refill(
    session: Session, references: References, *, before: int, window_s: float
) -> RecentTicks:
    """The 64 ticks before ``before``, as they were judged."""
    recent, apart = RecentTicks(), Apart()
    ticks = session.scalars(
        select(TickRow.id)
        .where(TickRow.id < before, TickRow.id >= before - KEPT_TICKS)
        .order_by(TickRow.id)
    ).all()
    for tick in ticks:
        haul = recall(session, references, apart, tick=tick, window_s=window_s)
        for model in haul.models:
            recent.add(model.family, tick, model.on_time)
    return recent
