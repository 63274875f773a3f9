"""Which signals and slices carry the evidence of an incident, largest first."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from vigil.types import Slice

K = TypeVar("K", bound=Hashable)


class Weighed(Protocol):
    """A finding or a standing, as far as its evidence goes (in ticks, not its logarithm)."""

    @property
    def signal(self) -> str: ...
    @property
    def slice(self) -> Slice: ...
    @property
    def evidence(self) -> float: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceShares:
    """Shares of log evidence, each summing to 1, largest first; empty where there is none."""

    signals: Mapping[str, float] = field(default_factory=dict)
    slices: Mapping[Slice, float] = field(default_factory=dict)


def shares_of_evidence(standings: Iterable[Weighed]) -> EvidenceShares:
    """Rank signals and slices by their share of log evidence.

    ``share(g) = l(g) / sum_h l(h)``, with ``l(g) = max log(evidence)`` over the streams of signal
    (or slice) g that have evidence above 1 tick. The largest and not the sum: a camera, its site
    and all traffic hold the same records, and a signal that is watched on more slices is not the
    more to blame. Evidence of 1 tick or less, or not finite, counts nothing; plain rules have none.

    When not to use it: to apportion blame. Streams depend on each other; a share only ranks.
    """
    loud = [one for one in standings if math.isfinite(one.evidence) and one.evidence > 1.0]
    return EvidenceShares(
        signals=_shares(loud, lambda one: one.signal), slices=_shares(loud, lambda one: one.slice)
    )


def _shares(loud: Iterable[Weighed], of: Callable[[Weighed], K]) -> dict[K, float]:
    largest: dict[K, float] = {}
    for one in loud:
        largest[of(one)] = max(largest.get(of(one), 0.0), math.log(one.evidence))
    total = sum(largest.values())
    return {
        group: value / total for group, value in sorted(largest.items(), key=lambda item: -item[1])
    }
