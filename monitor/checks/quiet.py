"""Cameras that fall silent while others go on: values of the keys that a model calls steady."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from detectors.quiet_values import quiet_values
from monitor.checks.recent import KEPT_TICKS, Family, RecentTicks
from monitor.settings.schema import Settings
from monitor.store.tables import IncidentRow
from vigil.types import Slice
from vigil.windows.summary import OTHER


@dataclass(frozen=True, kw_only=True, slots=True)
class QuietSlice:
    """One value of a key that is missed, and since when."""

    family: Family
    version: str
    slice: Slice
    since: datetime
    reason: str


def quiet_slices(
    session: Session, settings: Settings, recent: RecentTicks, *, tick: int, end: datetime
) -> Iterator[QuietSlice]:
    """What is missed at a tick, of the models that name steady keys.

    The memory reaches 64 ticks back. What fell silent before that is missed as long as its incident
    is open.
    """
    silent = settings.checks.silent_after_windows
    window_s = settings.service.window_s
    for watched in settings.models:
        family = (watched.name, watched.deployment)
        for key in watched.steady:
            history = _by_value(recent, family, key, tick)
            found = {one.value: one for one in quiet_values(history, silent=silent)}
            version = max(
                (v for _, versions in recent.served(family) for v in versions), default=""
            )
            for value, one in found.items():
                yield QuietSlice(
                    family=family,
                    version=version,
                    slice=Slice(((key, value),)),
                    since=end - timedelta(seconds=one.ticks * window_s),
                    reason=f"{key} {value} has sent nothing for {one.ticks} windows, while others "
                    f"of its kind go on: about {min(one.expected, 1e6):.0f} records are missing",
                )
            here = {value for counts in history[-silent:] for value, n in counts.items() if n}
            if here:
                for row in _open(session, family, key):
                    value = Slice.parse(row.slice).pairs[0][1]
                    if value not in here and value not in found:
                        yield QuietSlice(
                            family=family,
                            version=row.model_version,
                            slice=Slice.parse(row.slice),
                            since=row.onset_at or row.detected_at,
                            reason=f"{key} {value} still sends nothing, while others go on",
                        )


def _by_value(recent: RecentTicks, family: Family, key: str, tick: int) -> list[dict[str, int]]:
    counts = []
    for one in recent.ticks(family):
        if tick - KEPT_TICKS < one <= tick:
            total: dict[str, int] = {}
            for seen in recent.between(family, one, one).values():
                if key in seen.summary.layout.keys:
                    place = seen.summary.layout.keys.index(key)
                    for cell, n in zip(seen.summary.cells, seen.summary.records, strict=True):
                        if cell[place] != OTHER:
                            total[cell[place]] = total.get(cell[place], 0) + int(n)
            counts.append(total)
    return counts


def _open(session: Session, family: Family, key: str) -> list[IncidentRow]:
    """Open incidents of a silent value of the key."""
    rows = session.scalars(
        select(IncidentRow).where(
            IncidentRow.model == family[0],
            IncidentRow.deployment == family[1],
            IncidentRow.cause == "no_data",
            IncidentRow.state != "resolved",
            IncidentRow.slice.startswith(f"{key}="),
        )
    )
    return [row for row in rows if len(Slice.parse(row.slice).pairs) == 1]
