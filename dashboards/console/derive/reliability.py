"""Stated confidence against how often it was right."""

from __future__ import annotations

import math

from dashboards.console.readmodels import Reliability, ReliabilityBin
from vigil.windows.summary import CONFIDENCE_UNIT, Ints, Outcomes

Z_95 = 1.959963984540054


def reliability_of(current: Outcomes, baseline: Outcomes | None) -> Reliability | None:
    """From label counts per confidence bin; None without a label.

    ``gap`` is the expected calibration error, ``sum over bins of n_b / n |accuracy_b -
    confidence_b|``: it is biased upwards for few labels.
    """
    table = current.table.sum(axis=0)
    labels = int(table[:, 0].sum())
    if labels == 0:
        return None
    bins = _bins(table)
    base_table = None if baseline is None else baseline.table.sum(axis=0)
    has_base = base_table is not None and base_table[:, 0].sum() > 0
    base = _bins(base_table) if has_base and base_table is not None else ()
    return Reliability(
        bins=bins,
        baseline=base,
        labels=labels,
        accuracy=_accuracy(bins),
        gap=_gap(bins),
        baseline_accuracy=_accuracy(base) if base else None,
        baseline_gap=_gap(base) if base else None,
    )


def wilson(right: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927)."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = right / n, Z_95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _bins(table: Ints) -> tuple[ReliabilityBin, ...]:
    out = []
    for n, confidence, right in table.tolist():
        if n:
            low, high = wilson(right, n)
            out.append(
                ReliabilityBin(
                    confidence=confidence / CONFIDENCE_UNIT / n,
                    accuracy=right / n,
                    labels=n,
                    low=low,
                    high=high,
                )
            )
    return tuple(out)


def _accuracy(bins: tuple[ReliabilityBin, ...]) -> float:
    return sum(b.accuracy * b.labels for b in bins) / sum(b.labels for b in bins)


def _gap(bins: tuple[ReliabilityBin, ...]) -> float:
    total = sum(b.labels for b in bins)
    return sum(b.labels * abs(b.accuracy - b.confidence) for b in bins) / total
