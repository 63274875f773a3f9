"""Which signals and slices carry the evidence of an incident, largest first."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

S = TypeVar("S", bound=Hashable)
S_co = TypeVar("S_co", bound=Hashable, covariant=True)
K = TypeVar("K", bound=Hashable)


class Weighed(Protocol[S_co]):
    """A finding or a standing, as far as its evidence goes (in ticks, not its logarithm)."""

    @property
    def signal(self) -> str: ...
    @property
    def slice(self) -> S_co: ...
    @property
    def evidence(self) -> float | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class EvidenceShares(Generic[S]):
    """Shares of log evidence, each summing to 1, largest first; empty where there is none."""

    signals: Mapping[str, float] = field(default_factory=dict)
    slices: Mapping[S, float] = field(default_factory=dict)


def shares_of_evidence(standings: Iterable[Weighed[S]]) -> EvidenceShares[S]:
    """Rank signals and slices by their share of log evidence.

    ``share(g) = l(g) / sum_h l(h)``, with ``l(g) = max log(evidence)`` over the streams of signal
    (or slice) g that have evidence above 1 tick. The largest and not the sum: a camera, its site
    and all traffic hold the same records, and a signal that is watched on more slices is not the
    more to blame. Evidence of 1 tick or less, or not finite, counts nothing; plain rules have none.

    When not to use it: to apportion blame. Streams depend on each other; a share only ranks.
    """
    loud = [(one.signal, one.slice, _log(one.evidence)) for one in standings]
    return EvidenceShares(
        signals=_shares((signal, log) for signal, _, log in loud),
        slices=_shares((piece, log) for _, piece, log in loud),
    )


def _log(evidence: float | None) -> float:
    return math.log(evidence) if evidence and math.isfinite(evidence) and evidence > 1.0 else 0.0


def _shares(logs: Iterable[tuple[K, float]]) -> dict[K, float]:
    largest: dict[K, float] = {}
    for group, log in logs:
        if log > 0.0:
            largest[group] = max(largest.get(group, 0.0), log)
    total = sum(largest.values())
    ranked = sorted(largest.items(), key=lambda item: -item[1])
    return {group: log / total for group, log in ranked}
