"""Counts on a ruler's quantile bins, redrawn on even bars."""

from __future__ import annotations

import numpy as np

from dashboards.console.readmodels import ClassShares, Distribution, Floats
from vigil.windows.summary import Ints


def rebin(edges: Floats, counts: Ints, bars: Floats) -> tuple[Floats, float, float]:
    """Counts (B,) of bins between ``edges`` (B - 1,), as shares of even bars, and outside them.

    A bin's records are spread evenly over its width; a bin of no width (many records of one value,
    where two quantiles meet) goes whole into the bar that holds it. The two outermost bins have no
    outer edge: they come back as (below, above).

    Returns:
        shares (len(bars) - 1,), share below the first edge, share above the last.
    """
    total = float(counts.sum())
    shares = np.zeros(len(bars) - 1)
    if total <= 0 or len(edges) == 0:
        return shares, 0.0, 0.0
    inner = counts[1:-1].astype(np.float64)
    low, high = edges[:-1], edges[1:]
    width = high - low
    spread = width > 0
    # The cumulative count is piecewise linear over the bins that have a width.
    cumulative = np.concatenate([[0.0], np.cumsum(np.where(spread, inner, 0.0))])
    shares += np.diff(np.interp(bars, edges, cumulative))
    for value, mass in zip(low[~spread], inner[~spread], strict=True):
        bar = int(np.clip(np.searchsorted(bars, value, side="right") - 1, 0, len(shares) - 1))
        shares[bar] += mass
    return shares / total, float(counts[0]) / total, float(counts[-1]) / total


def distribution_of(
    *,
    signal: str,
    unit: str,
    slice_text: str,
    edges: Floats,
    baseline: Ints,
    current: Ints,
    bars: int = 36,
) -> Distribution | None:
    """Baseline and current counts (B + 1,), the last being missing values, side by side.

    None where the baseline has no range to draw (no values, or all the same).
    """
    finite = edges[np.isfinite(edges)]
    if len(finite) < 2 or finite[-1] <= finite[0] or current.sum() == 0:
        return None
    grid = np.linspace(finite[0], finite[-1], bars + 1)
    base, base_below, base_above = rebin(edges, baseline[:-1], grid)
    now, now_below, now_above = rebin(edges, current[:-1], grid)
    return Distribution(
        signal=signal,
        unit=unit,
        slice=slice_text,
        edges=grid,
        baseline=base,
        current=now,
        below=(base_below, now_below),
        above=(base_above, now_above),
        missing=(_share(baseline[-1], baseline.sum()), _share(current[-1], current.sum())),
        baseline_records=int(baseline.sum()),
        current_records=int(current.sum()),
    )


def classes_of(
    *, names: tuple[str, ...], baseline: Ints, current: Ints, slice_text: str
) -> ClassShares | None:
    """Shares of predicted classes, (K + 1,) counts each; the last column is any other class."""
    if baseline.shape != current.shape or current.sum() == 0 or baseline.sum() == 0:
        return None
    known = len(baseline) - 1
    labels = [names[k] if k < len(names) else str(k) for k in range(known)]
    keep = np.ones(known + 1, bool)
    keep[-1] = bool(baseline[-1] or current[-1])
    return ClassShares(
        names=tuple([*labels, "other"][: known + int(keep[-1])]),
        baseline=(baseline / baseline.sum())[keep],
        current=(current / current.sum())[keep],
        slice=slice_text,
    )


def _share(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
