"""A high quantile of latency: has it risen?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binom

from detectors.detector import ALPHA, Exactness
from detectors.methods.samples import Floats
from detectors.methods.scalar.of_numbers import OfNumbers
from detectors.methods.two_sample import Found, Size
from detectors.registry import register

SHOWN = (0.5, 0.95, 0.99)


@register
class LatencyQuantiles(OfNumbers):
    """Latency quantile: has the p99 (or another quantile) risen by more than is tolerated?

    Statistic: ``Q_now / Q_before - 1`` of the quantile, order statistic ``ceil(q n)``, of (m,)
    and (n,) latencies; ``Q_now - Q_before`` where not ``relative``.

    Effect: that rise, as a ratio or in the unit of the data (seconds), negative where latency
    fell; 95 % interval from order statistics: the exact binomial interval of each side at 97.5 %,
    for any distribution, ties included. An end is infinite where a side is too small to bound its
    quantile (fewer than 437 values for the p99).

    Test: of ``Q_now <= (1 + tolerance) Q_before``, one-sided: half of the level bounds the
    reference's quantile from above, half asks whether too many current values exceed that bound,
    both by the binomial law. A bound: false alarms are well below alpha.

    Cost: O(N log N) time, O(N) memory, N = m + n; 5 ms at 50 000 a side.

    Not for: the p99 of fewer than some hundred requests (nothing can be said); throughput, errors
    or time-outs that are not recorded as latencies; a shift of typical latency, where ks is
    sharper.

    Source: David and Nagaraja, Order Statistics, 2003, section 7.1.

    Details: ``p50``, ``p95`` and ``p99``, each ((value, low, high) of the reference, the same of
    the current), with exact 95 % intervals.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the rise up to which it does not matter: a ratio, or seconds.
        quantile: which, between 0 and 1.
        relative: ratio or difference. Ratios leave out values below zero.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> before, now = rng.gamma(4, 0.005, 20_000), 1.5 * rng.gamma(4, 0.005, 20_000)
        >>> found = LatencyQuantiles().compare(before, now)
        >>> print(found.outcome, round(found.effect.value, 2), found.effect.unit)
        drifted 0.51 rise of the p99 over the reference
    """

    name: ClassVar[str] = "latency_quantiles"
    exactness: ClassVar[Exactness] = Exactness.BOUND

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.1,
        quantile: float = 0.99,
        relative: bool = True,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.quantile, self.relative = quantile, relative
        which = f"p{100 * quantile:g}"
        self.unit = f"rise of the {which} over the reference" if relative else f"s, {which}"

    def _usable(
        self, reference: ArrayLike, current: ArrayLike
    ) -> tuple[Floats, Floats, tuple[int, int]]:
        before, now, lost = super()._usable(reference, current)
        kept = [side[side >= 0.0] if self.relative else side for side in (before, now)]
        lost = (lost[0] + len(before) - len(kept[0]), lost[1] + len(now) - len(kept[1]))
        return np.sort(kept[0]), np.sort(kept[1]), lost

    def _found(self, before: Floats, now: Floats) -> Found:
        was, was_low, was_high = bounded_quantile(before, self.quantile, 0.025)
        value, low, high = bounded_quantile(now, self.quantile, 0.025)
        floor = 0.0 if self.relative else -np.inf
        rise = self._rise(was, value)
        return Found(
            size=Size(
                rise,
                low=self._rise(was_high, max(low, floor)),
                high=self._rise(max(was_low, floor), high),
            ),
            statistic=rise,
            p_value=self._p_value(before, now),
            details={
                f"p{100 * q:g}": tuple(bounded_quantile(one, q, 0.05) for one in (before, now))
                for q in SHOWN
            },
        )

    def _rise(self, before: float, now: float) -> float:
        if not self.relative:
            return now - before
        if np.isinf(before):
            return -1.0
        if before > 0.0:
            return now / before - 1.0
        return 0.0 if now == 0.0 else np.inf

    def _p_value(self, before: Floats, now: Floats) -> float:
        m, n, q = len(before), len(now), self.quantile
        # Ranks further off add nothing to p-values above 1e-20.
        reach = 10.0 * np.sqrt(m * q * (1.0 - q)) + 10.0
        ranks = np.arange(max(int(m * q - reach), 1), min(int(m * q + reach), m) + 1)
        # The quantile lies above the value of this rank with at most this probability.
        above = binom.sf(ranks - 1, m, q)
        before = before[ranks - 1]
        bounds = before * (1.0 + self.tolerance) if self.relative else before + self.tolerance
        few = binom.cdf(np.searchsorted(now, bounds, side="right"), n, q)
        return float(min(1.0, 2.0 * np.maximum(above, few).min()))


def bounded_quantile(ranked: Floats, q: float, error: float) -> tuple[float, float, float]:
    """A quantile of sorted values, and its exact interval of confidence ``1 - error``."""
    n = len(ranked)
    at = min(max(int(np.ceil(q * n - 1e-9)), 1), n)
    # P(value of rank j > quantile) = P(Bin(n, q) < j), and P(... < quantile) = P(Bin(n, q) >= j).
    low = int(binom.ppf(error / 2.0, n, q))
    high = int(binom.isf(error / 2.0, n, q)) + 1
    return (
        float(ranked[at - 1]),
        float(ranked[min(low, at) - 1]) if low >= 1 else -np.inf,
        float(ranked[max(high, at) - 1]) if high <= n else np.inf,
    )
