"""A rise of the mean of a per-record loss: Welch's interval and a permutation test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from detectors.methods.labels.labelled import Floats
from detectors.methods.resampling import monte_carlo_p, relabelled
from detectors.methods.samples import Counts
from detectors.methods.two_sample import Found, Size

LEVELS = 512
"""The test sees losses rounded to this many levels, so that its cost does not depend on n."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanChange:
    """``value`` = mean of now less mean before, its 95 % interval, Welch's t and its p-value."""

    value: float
    low: float
    high: float
    statistic: float
    p_value: float

    def found(self, *, most: float, details: Mapping[str, Any]) -> Found:
        """As what a method finds, the interval cut to what is possible: ``most`` either way."""
        return Found(
            size=Size(self.value, max(self.low, -most), min(self.high, most)),
            statistic=self.statistic,
            p_value=self.p_value,
            details=details,
        )


def rise_of_mean(before: Floats, now: Floats, *, times: int, seed: int) -> MeanChange:
    """Compare (m,) losses with (n,).

    Interval: Welch's t with Satterthwaite's degrees of freedom, approximate; unbounded where a
    side has one record. Test: one-sided, Welch's t of the losses rounded to a grid, under random
    relabelling: exact for exchangeable records, and right in large samples for equal means with
    unequal spread.

    Source: Welch, Biometrika, 1947; Janssen, Statistics and Probability Letters, 1997.
    """
    m, n = len(before), len(now)
    value = float(now.mean() - before.mean())
    low, high = -np.inf, np.inf
    if m > 1 and n > 1:
        of_before, of_now = before.var(ddof=1) / m, now.var(ddof=1) / n
        variance = of_before + of_now
        if variance > 0:
            freedom = variance**2 / (of_before**2 / (m - 1) + of_now**2 / (n - 1))
            half = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
        else:
            half = 0.0
        low, high = value - half, value + half
    statistic, p_value = _test(before, now, times, seed)
    return MeanChange(value=value, low=low, high=high, statistic=statistic, p_value=p_value)


def _test(before: Floats, now: Floats, times: int, seed: int) -> tuple[float, float]:
    pooled = np.concatenate([before, now])
    low, width = pooled.min(), max(float(np.ptp(pooled)), 1e-300)
    codes = np.rint((pooled - low) / width * (LEVELS - 1)).astype(np.int64)
    used, codes = np.unique(codes, return_inverse=True)
    levels = used / (LEVELS - 1)
    first = np.bincount(codes[: len(before)], minlength=len(used)).astype(np.int64)
    second = np.bincount(codes[len(before) :], minlength=len(used)).astype(np.int64)

    def welch(a: Counts, b: Counts) -> Floats:
        m, n = len(before), len(now)
        mean_a, mean_b = a @ levels / m, b @ levels / n
        spread = (a @ levels**2 / m - mean_a**2) / m + (b @ levels**2 / n - mean_b**2) / n
        t: Floats = (mean_b - mean_a) / np.sqrt(np.maximum(spread, 1e-12 / (m + n)))
        return t

    seen = float(welch(first[None], second[None])[0])
    drawn = relabelled(welch, first, second, times, np.random.default_rng(seed))
    return seen, monte_carlo_p(seen, drawn)
