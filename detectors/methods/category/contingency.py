"""Two rows of counts: calibrated statistics, and the total variation between the rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import xlogy
from scipy.stats import chi2, norm

from detectors.detector import Comparison, conclude, no_data
from detectors.methods.resampling import monte_carlo_p, relabelled
from detectors.methods.samples import Counts, Floats, category_counts
from vigil.types import Effect

UNIT = "total variation"
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


def compare_categories(
    detector: str,
    statistic: Callable[[Counts, Counts], Floats],
    reference: ArrayLike,
    current: ArrayLike,
    *,
    alpha: float,
    tolerance: float,
    permutations: int,
    seed: int,
) -> Comparison:
    """Judge whether (m,) and (n,) labels come from one distribution.

    Raises:
        ShapeError: a sample is not one row of labels, or their kinds differ.
    """
    before, now, names, lost = category_counts(reference, current)
    m, n = int(before.sum()), int(now.sum())
    if not m or not n:
        return no_data(detector, unit=UNIT, tolerance=tolerance, alpha=alpha, left_out=lost)
    seen = float(statistic(before, now))
    smallest = float((before + now).min()) * min(m, n) / (m + n)
    if smallest >= ENOUGH:
        method, p_value = "chi-square", float(chi2.sf(seen, len(names) - 1))
    else:
        rng = np.random.default_rng(seed)
        drawn = relabelled(statistic, before, now, permutations, rng)
        method, p_value = "Monte Carlo", monte_carlo_p(seen, drawn)
    if len(names) == 1:
        p_value = 1.0
    change = now / n - before / m
    most = np.argsort(-np.abs(change), kind="stable")[:10]
    details: dict[str, Any] = {
        "method": method,
        "smallest_expected": smallest,
        "changes": {names[at]: float(change[at]) for at in most},
    }
    return conclude(
        detector,
        total_variation(before, now, tolerance),
        statistic=seen,
        p_value=p_value,
        alpha=alpha,
        left_out=lost,
        details=details,
    )


def total_variation(reference: Counts, current: Counts, tolerance: float) -> Effect:
    """``TV = 1/2 sum_k |p_k - q_k|`` of two rows of counts (K,), as an effect.

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
    return Effect(
        value=value,
        low=min(max(plain - floor - float(bound), 0.0), value),
        high=max(min(plain + reach, 1.0), value),
        tolerance=tolerance,
        unit=UNIT,
        records=n,
    )
