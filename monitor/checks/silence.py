"""Sources that stopped sending windows, and traffic that stopped: plain rules, no statistics.

Replicas come and go, so a source that is silent is missed only where the settings declare it. A
model whose sources are all silent is missed in any case, save where they said goodbye.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.checks.recent import Family
from monitor.settings.schema import Settings
from monitor.store.tables import SourceRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """What is missing of one model. ``source`` is None where all of it is."""

    family: Family
    version: str
    source: str | None
    since: datetime
    reason: str


def silences(session: Session, settings: Settings, *, end: datetime) -> Iterator[Silence]:
    """What is missing at ``end``: the whole model, a declared source, or records."""
    checks, window_s = settings.checks, settings.service.window_s
    rows = session.scalars(
        select(SourceRow).order_by(SourceRow.model, SourceRow.deployment, SourceRow.source)
    ).all()
    by_family: dict[Family, list[SourceRow]] = {}
    for row in rows:
        by_family.setdefault((row.model, row.deployment), []).append(row)
    silent_before = end - timedelta(seconds=checks.silent_after_windows * window_s)
    idle_before = end - timedelta(seconds=checks.idle_after_windows * window_s)
    for family, sources in by_family.items():
        watched = settings.model(*family)
        declared = set(watched.sources) if watched else set()
        yield from _missing(family, sources, declared, silent_before, idle_before)


def _missing(
    family: Family,
    sources: Sequence[SourceRow],
    declared: set[str],
    silent_before: datetime,
    idle_before: datetime,
) -> Iterator[Silence]:
    expected = [row for row in sources if not row.retired or row.source in declared]
    if not expected:
        return
    newest = max(expected, key=lambda row: row.last_window_at)
    if newest.last_window_at < silent_before:
        names = ", ".join(row.source for row in expected[:5])
        yield Silence(
            family=family,
            version=newest.version,
            source=None,
            since=newest.last_window_at,
            reason=f"no source sends windows any more (last: {names})",
        )
        return
    for row in expected:
        if row.source in declared and row.last_window_at < silent_before:
            yield Silence(
                family=family,
                version=row.version,
                source=row.source,
                since=row.last_window_at,
                reason=f"source {row.source} sends no windows any more",
            )
    last_records = [row.last_record_at for row in expected if row.last_record_at is not None]
    if last_records and max(last_records) < idle_before:
        yield Silence(
            family=family,
            version=newest.version,
            source=None,
            since=max(last_records),
            reason="windows arrive without a single inference in them",
        )
