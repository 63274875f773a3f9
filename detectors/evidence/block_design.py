"""How correlated the records of a step are, from the counts of its blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def design_effect(counts: Floats, expected: Floats, records: Floats) -> Floats:
    """How much more block shares vary than binomially: 1 for independent records.

    ``sum (s_{b+1} - s_b)^2 / sum (v_{b+1} + v_b)`` over columns and successive blocks, s the share
    less the expected one, v its binomial variance.

    Args:
        counts, expected: (blocks, N, 15), expected NaN where a column is not used.
        records: (blocks, N).

    Returns:
        (N,), NaN where fewer than two successive blocks have records.
    """
    n = np.maximum(records, 1.0)[:, :, None]
    empty = (records <= 0)[:, :, None]
    gap = np.where(empty, np.nan, counts / n - expected)
    # The variance at what is seen, not at the reference: after a drift they differ.
    pooled = counts.sum(axis=0) / np.maximum(records.sum(axis=0), 1.0)[:, None]
    variance = pooled * (1.0 - pooled) / n
    square = np.diff(gap, axis=0) ** 2
    scale = variance[1:] + variance[:-1]
    good = np.isfinite(square) & (scale > 0)
    top = np.where(good, square, 0.0).sum(axis=(0, 2))
    bottom = np.where(good, scale, 0.0).sum(axis=(0, 2))
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
