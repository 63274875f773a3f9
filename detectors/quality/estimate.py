"""A share estimated from records that were drawn with known probabilities.

With weights ``w = 1 / pi`` the Hajek estimate of a mean is ``sum w y / sum w``. Its variance, and
that of any smooth function of weighted totals, comes from linearisation: with ``z_i`` the record's
influence, ``v = n / (n - 1) sum (w_i z_i - mean)^2``. The interval is Wilson's at the effective
number of records ``p (1 - p) / v``, as Korn and Graubard do for Clopper and Pearson's; where all
records agree, at Kish's ``(sum w)^2 / sum w^2``.

*Approximate.* Records count as drawn independently of each other: frames of one camera are worth
less, and the interval is then too narrow.

Source: Hajek, Comment on a paper by Basu, 1971; Kish, Survey Sampling, 1965; Korn and Graubard,
Confidence Intervals for Proportions with Small Expected Number of Positive Counts, 1998.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from detectors.intervals import difference, wilson
from vigil.errors import ShapeError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A share with its 95 % interval, from ``records`` that are worth ``effective`` equal ones."""

    value: float
    low: float
    high: float
    records: int
    effective: float


def weights_of(inclusion: ArrayLike) -> Floats:
    """``1 / pi`` of (n,) inclusion probabilities.

    Raises:
        ShapeError: not one-dimensional, or a probability outside (0, 1].
    """
    pi = np.asarray(inclusion, np.float64)
    if pi.ndim != 1:
        raise ShapeError("inclusion", expected="(n,)", found=f"shape {pi.shape}")
    if not ((pi > 0) & (pi <= 1)).all():
        raise ShapeError("inclusion", expected="probabilities in (0, 1]", found=f"{pi.min():.3g}")
    return 1.0 / pi


def kish(weights: Floats) -> float:
    """How many equally weighted records these are worth."""
    return float(weights.sum() ** 2 / np.maximum((weights**2).sum(), 1e-300))


def variance_of(influence: Floats) -> float:
    """Variance of a statistic from the (n,) weighted influences of its records."""
    n = len(influence)
    if n < 2:
        return 0.0
    return float(n / (n - 1) * ((influence - influence.mean()) ** 2).sum())


def share(value: float, influence: Floats, weights: Floats) -> Estimate:
    """A share in [0, 1] with its interval; ``influence`` (n,) already carries the weights."""
    return share_of(
        value,
        variance=variance_of(influence),
        equal=kish(weights),
        records=len(influence),
    )


def share_of(value: float, *, variance: float, equal: float, records: int) -> Estimate:
    """The same from the variance and from Kish's number, ``equal``."""
    effective = equal
    if variance > 1e-18 and 0.0 < value < 1.0:
        effective = value * (1.0 - value) / variance
    effective = float(np.clip(effective, 1.0, records))
    low, high = wilson(np.array([value * effective]), np.array([effective]))
    return Estimate(
        value=value,
        low=float(low[0]),
        high=float(high[0]),
        records=records,
        effective=effective,
    )


def mean_share(values: ArrayLike, inclusion: ArrayLike) -> Estimate:
    """The Hajek mean of (n,) values in [0, 1], n >= 1.

    Raises:
        ShapeError: no values, or not as many as probabilities.

    Example:
        >>> found = mean_share([1, 1, 0, 1], [0.5, 0.5, 0.1, 0.5])
        >>> print(round(found.value, 3), round(found.effective, 2))
        0.375 2.4
    """
    y, weights = np.asarray(values, np.float64), weights_of(inclusion)
    if y.shape != weights.shape or not len(y):
        raise ShapeError("values", expected=f"({len(weights)},), at least 1", found=str(y.shape))
    total = weights.sum()
    mean = float((weights * y).sum() / total)
    return share(mean, weights * (y - mean) / total, weights)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """By how much one share is above another, with its 95 % interval."""

    value: float
    low: float
    high: float


def gain(now: Estimate, before: Estimate) -> Gain:
    """``now - before``, of records drawn independently of each other; Newcombe's interval."""
    first, second = (
        (np.array([one.value]), np.array([one.low]), np.array([one.high])) for one in (now, before)
    )
    value, low, high = (float(each[0]) for each in difference(first, second))
    return Gain(value=value, low=max(low, -1.0), high=min(high, 1.0))
