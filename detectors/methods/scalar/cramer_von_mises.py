"""Two-sample Cramer-von Mises test."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np
from scipy import stats
from scipy.special import gammaln, kve

from detectors.detector import ALPHA, Exactness
from detectors.methods.samples import Counts, Floats
from detectors.methods.scalar.of_numbers import OfNumbers
from detectors.methods.two_sample import Found, Size
from detectors.registry import register

EXACT_UP_TO = 20
_Z = float(stats.norm.ppf(0.975))
_CHI2 = float(stats.chi2.ppf(0.95, 1))


@register
class CramerVonMises(OfNumbers):
    """Two-sample Cramer-von Mises test: the mean squared gap of two distribution functions.

    Statistic: ``T = m n / (m + n)^2 sum_i (F(z_i) - G(z_i))^2`` over the m + n pooled values;
    where values tie, its mean over the ways of breaking the ties.

    Effect: ``w = sqrt(integral (F - G)^2 dH)``, H = (F + G) / 2, less its bias: at most 1 / sqrt 3,
    and 0.08 for a normal signal shifted by 0.25 standard deviations. 95 % interval: a normal
    approximation of the linear part, and for the quadratic part 3.84 times its mean, a bound for
    every weighted sum of chi-squares (Szekely and Bakirov).

    Test: exact up to 20 values a side without ties; else Anderson's approximation, which is close
    from a few values on. With ties T varies less, so alarms are fewer than alpha.

    Cost: O(N log N) time, O(N) memory, N = m + n; 17 ms at 50 000 a side.

    Not for: changes of spread or in the tails alone, where wasserstein is better; signals with
    few distinct values, where chi_square is sharper.

    Source: Anderson, On the Distribution of the Two-Sample Cramer-von Mises Criterion, Annals of
    Mathematical Statistics, 1962; Csorgo and Faraway, The Exact and Asymptotic Distributions of
    Cramer-von Mises Statistics, JRSS B, 1996; Szekely and Bakirov, Extremal Probabilities for
    Gaussian Quadratic Forms, Probability Theory and Related Fields, 2003.

    Details: ``method`` of the p-value.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the root mean square gap up to which drift does not matter.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> found = CramerVonMises().compare(rng.normal(size=2000), rng.normal(0.5, 1, size=2000))
        >>> print(found.outcome, round(found.effect.value, 3))
        drifted 0.15
    """

    name: ClassVar[str] = "cramer_von_mises"
    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE
    unit = "root mean square gap of the distribution functions"

    def __init__(self, *, alpha: float = ALPHA, tolerance: float = 0.075) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)

    def _found(self, before: Floats, now: Floats) -> Found:
        steps = _steps(before, now)
        statistic = _statistic(steps)
        few = 1 < min(steps.m, steps.n) <= max(steps.m, steps.n) <= EXACT_UP_TO
        exact = few and len(steps.a) == steps.m + steps.n
        if exact:
            p_value = float(stats.cramervonmises_2samp(before, now, method="exact").pvalue)
        else:
            p_value = _p_value(statistic, steps.m, steps.n)
        return Found(
            size=_size(steps),
            statistic=statistic,
            p_value=p_value,
            details={"method": "exact" if exact else "asymptotic"},
        )


class _Steps(NamedTuple):
    """How often each of the K distinct values occurs in the two samples."""

    a: Counts
    b: Counts
    m: int
    n: int


def _steps(before: Floats, now: Floats) -> _Steps:
    m, n = len(before), len(now)
    pooled = np.concatenate([before, now])
    order = pooled.argsort()
    ranked = pooled[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    total = np.diff(np.append(starts, m + n))
    a = np.add.reduceat((order < m).astype(np.int64), starts)
    return _Steps(a, total - a, m, n)


def _statistic(steps: _Steps) -> float:
    a, b, m, n = steps
    c = (a + b).astype(np.float64)
    rise = a / m - b / n
    start = rise.cumsum() - rise
    # Sums over the ranks of a tied block: of the straight line, and of the bridge around it.
    line = c * start**2 + start * rise * (c + 1) + rise**2 * (c + 1) * (2 * c + 1) / (6 * c)
    bridge = (1.0 / m + 1.0 / n) ** 2 * a * b * (c + 1) / (6 * c)
    bridge[c == 1] = 0.0
    return float(m * n / (m + n) ** 2 * (line + bridge).sum())


def _p_value(statistic: float, m: int, n: int) -> float:
    total, product = m + n, m * n
    mean = (1 + 1 / total) / 6
    spread = (total + 1) * (4 * product * total - 3 * (m * m + n * n) - 2 * product)
    variance = spread / (45 * total**2 * 4 * product)
    if variance <= 0.0:
        return 1.0
    return _limit_tail(1.0 / 6.0 + (statistic - mean) / np.sqrt(45.0 * variance))


def _limit_tail(x: float) -> float:
    """P(integral of a squared Brownian bridge > x).

    Equation 1.3 of Csorgo and Faraway; far out, where its terms cancel, what the largest
    eigenvalue, 1 / pi^2, leaves: ``sqrt(2) P(chi2_1 > pi^2 x)``, 1 % less at x = 3.
    """
    if x <= 0.003:
        return 1.0
    if x > 3.0:
        return float(np.sqrt(2.0) * stats.chi2.sf(np.pi**2 * x, 1))
    k = np.arange(12)
    power = 4.0 * k + 1.0
    at = power**2 / (16.0 * x)
    weight = np.exp(gammaln(k + 0.5) - gammaln(0.5) - gammaln(k + 1) - 2.0 * at)
    below = (weight * np.sqrt(power) * kve(0.25, at)).sum() / (np.pi * np.sqrt(x))
    return float(np.clip(1.0 - below, 0.0, 1.0))


def _size(steps: _Steps) -> Size:
    a, b, m, n = steps
    p, q = a / m, b / n
    f, g = p.cumsum(), q.cumsum()
    h = (p + q) / 2.0
    gap = f - g
    square = float((gap**2 * h).sum())
    bias = float(((f * (1 - f)) @ h) / m + ((g * (1 - g)) @ h) / n)
    # What one record adds: through its own distribution function, and through H.
    weighted = gap * h
    from_here = weighted[::-1].cumsum()[::-1]
    first = 2.0 * from_here + gap**2 / 2.0
    second = -2.0 * from_here + gap**2 / 2.0
    variance = _variance(first, p) / m + _variance(second, q) / n
    spread = _Z * float(np.sqrt(variance))
    value, root = max(square - bias, 0.0), float(np.sqrt(square))
    return Size(
        value=float(np.sqrt(value)),
        low=float(np.sqrt(min(max(square - spread - _CHI2 * bias, 0.0), value))),
        # On the scale of the root the error does not depend on the size of the gap.
        high=root + (spread / (2.0 * root) if root > 0.0 else 0.0),
    )


def _variance(values: Floats, shares: Floats) -> float:
    return max(float((values**2) @ shares - (values @ shares) ** 2), 0.0)
