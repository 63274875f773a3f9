"""Divergences of two histograms: calibrated by relabelling, with intervals that cover near zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy
from scipy.stats import norm

from detectors.methods.resampling import monte_carlo_p, relabelled
from detectors.methods.samples import Counts, Floats
from detectors.methods.two_sample import Found, Size

PSEUDO = 0.5
"""Added to each cell of both sides, so that an empty cell costs a finite amount (Jeffreys)."""
_Z = float(norm.ppf(0.975))


@dataclass(frozen=True, kw_only=True, slots=True)
class Divergence:
    """A divergence of two histograms, and how it changes with the shares.

    Attributes:
        value: counts (..., K) of either side, to (...).
        slopes: counts (K,) of either side, to the derivatives (K,) by each side's shares.
        root: it is the square of a distance, which is what people are told.
    """

    value: Callable[[Counts, Counts], Floats]
    slopes: Callable[[Counts, Counts], tuple[Floats, Floats]]
    root: bool


def _smoothed(counts: Counts) -> Floats:
    cells = counts.shape[-1]
    total = counts.sum(axis=-1, keepdims=True) + PSEUDO * cells
    return np.asarray((counts + PSEUDO) / total)


def _stability(reference: Counts, current: Counts) -> Floats:
    p, q = _smoothed(reference), _smoothed(current)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def _stability_slopes(reference: Counts, current: Counts) -> tuple[Floats, Floats]:
    p, q = _smoothed(reference), _smoothed(current)
    log = np.log(p / q)
    return log + 1.0 - q / p, -log + 1.0 - p / q


def _plain(counts: Counts) -> Floats:
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True))


def _shannon(reference: Counts, current: Counts) -> Floats:
    p, q = _plain(reference), _plain(current)
    h = (p + q) / 2.0
    nats = xlogy(p, p) + xlogy(q, q) - 2.0 * xlogy(h, h)
    return np.asarray(np.maximum(nats.sum(axis=-1), 0.0) / (2.0 * np.log(2.0)))


def _shannon_slopes(reference: Counts, current: Counts) -> tuple[Floats, Floats]:
    p, q = _plain(reference), _plain(current)
    h = (p + q) / 2.0
    with np.errstate(divide="ignore"):
        first, second = np.log2(p / h) / 2.0, np.log2(q / h) / 2.0
    return np.where(p > 0, first, 0.0), np.where(q > 0, second, 0.0)


STABILITY = Divergence(value=_stability, slopes=_stability_slopes, root=False)
"""``PSI = sum_k (q_k - p_k) log(q_k / p_k)`` in nats; shares with a pseudo-count of 1/2 a cell."""
SHANNON = Divergence(value=_shannon, slopes=_shannon_slopes, root=True)
"""``1/2 sum p log2(p / h) + 1/2 sum q log2(q / h)``, h = (p + q) / 2: bits, 0 to 1; plug-in."""


def compare_counts(
    divergence: Divergence,
    reference: Counts,
    current: Counts,
    *,
    permutations: int,
    seed: int,
    details: Mapping[str, Any],
) -> Found:
    """Judge two histograms of the same cells, (K,) each, neither empty.

    With V the divergence as seen and V' its values under ``permutations`` relabellings,

    * p-value: the Monte Carlo one of V among V';
    * bias: mean of V', which is what samples of these sizes show without any difference;
    * effect: ``D = max(0, V - bias)``, and its root where the divergence is a squared distance;
    * interval: see ``_interval``.
    """
    m, n = int(reference.sum()), int(current.sum())
    occupied = reference + current > 0
    reference, current = reference[occupied], current[occupied]
    rng = np.random.default_rng(seed)
    seen = float(divergence.value(reference, current))
    permuted = relabelled(divergence.value, reference, current, permutations, rng)
    bias = float(permuted.mean())
    first, second = divergence.slopes(reference, current)
    linear = _variance(first, reference) / m + _variance(second, current) / n
    low, high = _interval(seen, bias, linear, permuted)
    value = max(seen - bias, 0.0)
    size = Size(value, min(low, value), max(high, value))
    return Found(
        size=Size(*(float(np.sqrt(one)) for one in size)) if divergence.root else size,
        statistic=float(np.sqrt(seen)) if divergence.root else seen,
        p_value=monte_carlo_p(seen, permuted),
        details={"bias": bias, "cells": int(occupied.sum()), **details},
    )


def _interval(seen: float, bias: float, linear: float, permuted: Floats) -> tuple[float, float]:
    """95 % interval of a divergence d, which behaves as the square of a distance.

    Near zero V has the relabelled spread v; far away the variance ``4 c d`` of its linear part
    (delta method). Both together, ``var V = v + 4 c d``, as for a noncentral chi-square: the ends
    solve ``|V - bias - d| = z sqrt(v + 4 c d)``. For the lower end z^2 v is taken from the 97.5 %
    quantile of the relabelled values where that is larger.
    """
    c = linear / (4.0 * seen) if seen > 0.0 else 0.0
    centre = seen - bias + 2.0 * c * _Z**2
    spread = float(permuted.var())
    upper = max(float(np.quantile(permuted, 0.975)) - bias, _Z * np.sqrt(spread)) / _Z

    def reach(null: float) -> float:
        inside = 4.0 * c**2 * _Z**2 + null + 4.0 * c * (seen - bias)
        return _Z * float(np.sqrt(max(inside, 0.0)))

    return max(centre - reach(upper**2), 0.0), max(centre + reach(spread), 0.0)


def _variance(slopes: Floats, counts: Counts) -> float:
    shares = counts / counts.sum()
    return max(float(slopes**2 @ shares - (slopes @ shares) ** 2), 0.0)
