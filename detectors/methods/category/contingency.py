"""Two rows of counts: calibrated statistics, and the total variation between the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
from scipy.special import xlogy
from scipy.stats import chi2, norm

from detectors.detector import Exactness
from detectors.methods.category.of_labels import Counted, OfLabels
from detectors.methods.resampling import monte_carlo_p, relabelled
from detectors.methods.samples import Counts, Floats
from detectors.methods.two_sample import Found, Size

ENOUGH = 5.0
"""The smallest expected count at which the chi-square law is used."""
_Z = float(norm.ppf(0.975))
_LOG = float(np.log(1.0 / 0.025))


def pearson(reference: Counts, current: Counts) -> Floats:
    """``X^2 = sum (O - E)^2 / E`` over both rows, counts (..., K) to (...)."""
    m = reference.sum(axis=-1, keepdims=True)
    n = current.sum(axis=-1, keepdims=True)
    pooled = np.maximum(reference + current, 1)
    gap = (reference * n - current * m).astype(np.float64)
    return np.asarray((gap**2 / pooled).sum(axis=-1) / (m * n)[..., 0])


def likelihood_ratio(reference: Counts, current: Counts) -> Floats:
    """``G = 2 sum O log(O / E)`` over both rows, counts (..., K) to (...)."""
    m, n = reference.sum(axis=-1), current.sum(axis=-1)
    pooled, total = reference + current, m + n
    inside = xlogy(reference, reference) + xlogy(current, current) - xlogy(pooled, pooled)
    whole = xlogy(m, m) + xlogy(n, n) - xlogy(total, total)
    return np.asarray(np.maximum(2.0 * (inside.sum(axis=-1) - whole), 0.0))


class HomogeneityTest(OfLabels):
    """Judges whether two samples of labels come from one distribution.

    Attributes:
        statistic: counts (..., K) of either side, to (...); chi-square with K - 1 degrees of
            freedom in the limit.
    """

    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE
    unit = "total variation"
    statistic: Callable[[Counts, Counts], Floats]

    def _found(self, before: Counted, now: Counted) -> Found:
        first, second, names = before.counts, now.counts, now.names
        m, n = len(before), len(now)
        seen = float(self.statistic(first, second))
        smallest = float((first + second).min()) * min(m, n) / (m + n)
        if smallest >= ENOUGH:
            method, p_value = "chi-square", float(chi2.sf(seen, len(names) - 1))
        else:
            rng = np.random.default_rng(self.seed)
            drawn = relabelled(self.statistic, first, second, self.permutations, rng)
            method, p_value = "Monte Carlo", monte_carlo_p(seen, drawn)
        change = second / n - first / m
        most = np.argsort(-np.abs(change), kind="stable")[:10]
        return Found(
            size=total_variation(first, second),
            statistic=seen,
            p_value=1.0 if len(names) == 1 else p_value,
            details={
                "method": method,
                "smallest_expected": smallest,
                "changes": {names[at]: float(change[at]) for at in most},
            },
        )


def total_variation(reference: Counts, current: Counts) -> Size:
    """``TV = 1/2 sum_k |p_k - q_k|`` of two rows of counts (K,), 0 to 1.

    The value is corrected for what noise adds to each |p_k - q_k|, a folded normal. The lower end
    is TV less the mean of the noise less McDiarmid's bound; the upper one a normal approximation
    of ``1/2 sum sign(p_k - q_k) (p_k - q_k)``, which noise can only push TV above.
    """
    m, n = int(reference.sum()), int(current.sum())
    p, q = reference / m, current / n
    gap = np.abs(p - q)
    plain = float(gap.sum() / 2.0)
    pooled = (reference + current) / (m + n)
    noise = np.sqrt(pooled * (1.0 - pooled) * (1.0 / m + 1.0 / n))
    floor = float(np.sqrt(2.0 / np.pi) * noise.sum() / 2.0)
    far = gap / np.maximum(noise, 1e-300)
    folded = np.sqrt(2.0 / np.pi) * np.exp(-(far**2) / 2.0) - 2.0 * far * norm.sf(far)
    value = max(plain - float((noise * folded).sum() / 2.0), 0.0)
    sign = np.sign(q - p)
    variance = float((1.0 - (sign @ p) ** 2) / m + (1.0 - (sign @ q) ** 2) / n)
    reach = _Z / 2.0 * float(np.sqrt(variance if variance > 0.0 else 0.0))
    bound = np.sqrt(_LOG / 2.0 * (1.0 / m + 1.0 / n))
    return Size(
        value=value,
        low=min(max(plain - floor - float(bound), 0.0), value),
        high=max(min(plain + reach, 1.0), value),
    )
