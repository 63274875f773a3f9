"""A version that serves again, deployed without an announcement, is a release too."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice, takewhile

from sqlalchemy.orm import Session

from monitor.checks.due import end_of
from monitor.checks.recent import Family, RecentTicks
from monitor.store import releases
from monitor.store.tables import ReleaseRow

AWAY_TICKS = 5
"""A version returns where it had the most records in none of so many ticks before."""


def observe_return(
    session: Session, recent: RecentTicks, family: Family, *, window_s: float
) -> ReleaseRow | None:
    """Record a release where the version with most records changed, and nobody said so.

    Ingest observes versions that were never seen; this one was. Its release starts with the first
    window of the unbroken run in which it has records. None: nothing to record.
    """
    served = [counts for _, counts in islice(recent.served(family), 1 + AWAY_TICKS)]
    main = [max(sorted(counts), key=lambda one: counts[one]) for counts in served]
    if len(main) < 2 or main[0] in main[1:]:
        return None
    newest = releases.current(session, *family)
    if newest is None or newest.version == main[0]:
        return None
    run = takewhile(lambda one: main[0] in one[1], recent.served(family))
    began = min(tick for tick, _ in run)
    row = ReleaseRow(
        model=family[0],
        deployment=family[1],
        version=main[0],
        previous=main[1],
        started_at=max(
            end_of(began, window_s) - timedelta(seconds=window_s),
            newest.started_at + timedelta(microseconds=1),
        ),
        origin=releases.OBSERVED,
    )
    session.add(row)
    session.flush()
    return row
