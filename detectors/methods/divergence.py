"""Divergences of two histograms: calibrated by relabelling, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.special import xlogy

from detectors.detector import Comparison, conclude, no_data
from detectors.methods.resampling import monte_carlo_p, redrawn, relabelled
from detectors.methods.samples import Counts, Floats
from vigil.types import Effect

PSEUDO = 0.5
"""Added to each cell of both sides, so that an empty cell costs a finite amount (Jeffreys)."""

Divergence = Callable[[Counts, Counts], Floats]


def stability_index(reference: Counts, current: Counts) -> Floats:
    """``PSI = sum_k (q_k - p_k) log(q_k / p_k)``, counts (..., K) to (...), in nats.

    p and q are shares with a pseudo-count of 1/2 a cell.
    """
    cells = reference.shape[-1]
    p = (reference + PSEUDO) / (reference.sum(axis=-1, keepdims=True) + PSEUDO * cells)
    q = (current + PSEUDO) / (current.sum(axis=-1, keepdims=True) + PSEUDO * cells)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def shannon_divergence(reference: Counts, current: Counts) -> Floats:
    """``JSD = 1/2 sum p log2(p / h) + 1/2 sum q log2(q / h)``, h = (p + q) / 2: (..., K) to (...).

    In bits, 0 to 1; the plug-in estimate from shares as they are.
    """
    p = reference / reference.sum(axis=-1, keepdims=True)
    q = current / current.sum(axis=-1, keepdims=True)
    h = (p + q) / 2.0
    nats = xlogy(p, p) + xlogy(q, q) - 2.0 * xlogy(h, h)
    return np.asarray(np.maximum(nats.sum(axis=-1), 0.0) / (2.0 * np.log(2.0)))


def compare_counts(
    detector: str,
    divergence: Divergence,
    reference: Counts,
    current: Counts,
    *,
    root: bool,
    unit: str,
    alpha: float,
    tolerance: float,
    resamples: int,
    seed: int,
    left_out: tuple[int, int],
    details: Mapping[str, Any],
) -> Comparison:
    """Judge two histograms of the same cells, (K,) each.

    With V the divergence as seen and V' its values under ``resamples`` relabellings,

    * p-value: the Monte Carlo one of V among V';
    * bias: mean of V', which is what samples of these sizes show without any difference;
    * effect: ``max(0, V - bias)``, and its root where ``root``;
    * interval: basic bootstrap, ``(V - bias) - quantile(V* - bias - V)``, ends no less than 0.
    """
    m, n = int(reference.sum()), int(current.sum())
    if m == 0 or n == 0:
        return no_data(detector, unit=unit, tolerance=tolerance, alpha=alpha, left_out=left_out)
    occupied = reference + current > 0
    reference, current = reference[occupied], current[occupied]
    rng = np.random.default_rng(seed)
    seen = float(divergence(reference, current))
    permuted = relabelled(divergence, reference, current, resamples, rng)
    drawn = redrawn(divergence, reference, current, resamples, rng)
    bias = float(permuted.mean())
    below, above = np.quantile(drawn - bias - seen, [0.025, 0.975])
    value = max(seen - bias, 0.0)
    low = min(max(seen - bias - float(above), 0.0), value)
    high = max(seen - bias - float(below), value)
    shape = np.sqrt if root else np.asarray
    effect = Effect(
        value=float(shape(value)),
        low=float(shape(low)),
        high=float(shape(high)),
        tolerance=tolerance,
        unit=unit,
        records=n,
    )
    return conclude(
        detector,
        effect,
        statistic=float(shape(seen)),
        p_value=monte_carlo_p(seen, permuted),
        alpha=alpha,
        left_out=left_out,
        details={"bias": bias, "cells": int(occupied.sum()), **details},
    )
