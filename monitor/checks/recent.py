"""The last ticks of each model, kept in memory so that effects are read since the onset.

The ring is derived state: after a restart it is filled again from the stored windows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from vigil.quality.counts import NO_FAULTS, Quality
from vigil.windows.summary import Outcomes, Summary

KEPT_TICKS = 64

Family = tuple[str, str]
"""Model name and deployment: what evidence follows across versions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What one tick saw of one version; or several ticks as one, ``windows`` of them."""

    tick: int
    version: str
    ruler: str
    summary: Summary
    outcomes: Outcomes | None
    windows: int = 1
    quality: Quality = NO_FAULTS

    @property
    def records(self) -> int:
        return self.summary.total_records


class RecentTicks:
    """What was seen at most 64 ticks ago, per model and deployment; older ticks are dropped."""

    def __init__(self) -> None:
        self._ticks: dict[Family, deque[tuple[int, tuple[Seen, ...]]]] = {}

    def add(self, family: Family, tick: int, seen: Iterable[Seen]) -> None:
        ring = self._ticks.setdefault(family, deque())
        ring.append((tick, tuple(seen)))

    def forget(self, tick: int) -> None:
        """Drop what is 64 ticks old or older at ``tick``, and models of which nothing is left."""
        for family, ring in list(self._ticks.items()):
            while ring and ring[0][0] <= tick - KEPT_TICKS:
                ring.popleft()
            if not ring:
                del self._ticks[family]

    def families(self) -> Collection[Family]:
        return self._ticks.keys()

    def between(
        self, family: Family, first: int, last: int | None = None, *, version: str | None = None
    ) -> dict[str, Seen]:
        """The sum of the ticks from ``first`` to ``last`` (both counted), per version."""
        found: dict[str, list[Seen]] = {}
        for tick, seen in self._ticks.get(family, ()):
            if tick < first or (last is not None and tick > last):
                continue
            for one in seen:
                if version in (None, one.version):
                    found.setdefault(one.version, []).append(one)
        return {name: _sum(parts) for name, parts in found.items()}

    def ticks(self, family: Family) -> list[int]:
        return [tick for tick, _ in self._ticks.get(family, ())]

    def served(self, family: Family) -> Iterator[tuple[int, dict[str, int]]]:
        """The records of each version in each tick that had some, newest first."""
        for tick, seen in reversed(self._ticks.get(family, ())):
            counts = {one.version: one.records for one in seen if one.records}
            if counts:
                yield tick, counts

    def snapshot(self) -> Mapping[Family, int]:
        return {family: len(ring) for family, ring in self._ticks.items()}


def _sum(parts: list[Seen]) -> Seen:
    """One version's ticks as one; where its ruler changed, only those of the newest ruler."""
    ruler = parts[-1].ruler
    same = [part for part in parts if part.ruler == ruler]
    outcomes = [part.outcomes for part in same if part.outcomes is not None]
    return Seen(
        tick=same[-1].tick,
        version=same[-1].version,
        ruler=ruler,
        summary=Summary.total(part.summary for part in same),
        outcomes=Outcomes.total(outcomes) if outcomes else None,
        windows=sum(part.windows for part in same if part.records or part.outcomes is not None)
        or 1,
        quality=Quality.sum(part.quality for part in same),
    )
