"""Sources that stopped sending windows: a plain rule, outside the statistics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.checks.recent import Family
from monitor.store.tables import SourceRow

FORGOTTEN_AFTER = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """Which sources of one model are silent at a tick, and how many of it there are."""

    family: Family
    version: str
    silent: tuple[str, ...]
    since: datetime
    sources: int

    @property
    def is_total(self) -> bool:
        return len(self.silent) == self.sources


def silences(session: Session, *, end: datetime, window_s: float, after: int) -> list[Silence]:
    """Models with a source whose last window ended more than ``after`` windows before ``end``.

    A source that has been silent for a day is no longer expected.
    """
    limit = end - timedelta(seconds=after * window_s)
    rows = session.scalars(
        select(SourceRow)
        .where(SourceRow.retired.is_(False), SourceRow.last_window_at > end - FORGOTTEN_AFTER)
        .order_by(SourceRow.model, SourceRow.deployment, SourceRow.source)
    ).all()
    by_family: dict[Family, list[SourceRow]] = {}
    for row in rows:
        by_family.setdefault((row.model, row.deployment), []).append(row)
    found = []
    for family, sources in by_family.items():
        silent = [row for row in sources if row.last_window_at < limit]
        if silent:
            found.append(
                Silence(
                    family=family,
                    version=silent[0].version,
                    silent=tuple(row.source for row in silent),
                    since=min(row.last_window_at for row in silent),
                    sources=len(sources),
                )
            )
    return found
