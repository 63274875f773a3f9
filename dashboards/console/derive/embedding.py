"""Embeddings on two axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dashboards.console.readmodels import EmbeddingMap

AXES = 2


def map_of(
    *,
    baseline: NDArray[np.floating[Any]],
    current: NDArray[np.floating[Any]],
    named: NDArray[np.bool_] | None = None,
    slice_text: str = "",
    limit: int = 600,
) -> EmbeddingMap | None:
    """Baseline (n, d) and current (m, d) embeddings on the baseline's two principal axes.

    The axes are fitted on the baseline alone, so that the picture keeps still while traffic moves;
    what moves along other axes does not show here (the MMD check sees all of them). Rows that are
    not finite are left out; at most ``limit`` of each are drawn, evenly picked.

    None where the dimensions differ or fewer than three baseline rows are left.
    """
    if baseline.ndim != 2 or current.ndim != 2 or baseline.shape[1] != current.shape[1]:
        return None
    if baseline.shape[1] == 0:
        return None
    base = np.asarray(baseline, np.float64)
    base = base[np.isfinite(base).all(axis=1)]
    rows = np.isfinite(np.asarray(current, np.float64)).all(axis=1)
    now = np.asarray(current, np.float64)[rows]
    inside = np.zeros(len(now), bool) if named is None else named[rows]
    if len(base) < 3:
        return None
    base = base[_evenly(len(base), limit)]
    picked = _evenly(len(now), limit)
    now, inside = now[picked], inside[picked]
    mean = base.mean(axis=0)
    _, strength, axes = np.linalg.svd(base - mean, full_matrices=False)
    variance = strength**2
    total = float(variance.sum())
    axes = axes[:AXES]
    # An axis has no sign of its own; fix it so that a reload does not mirror the picture.
    axes = (
        axes * np.where(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)] < 0, -1, 1)[:, None]
    )
    explained = [float(v) / total if total > 0 else 0.0 for v in variance[:AXES]] + [0.0, 0.0]

    def place(values: NDArray[np.float64]) -> NDArray[np.float64]:
        flat = (values - mean) @ axes.T
        return np.pad(flat, ((0, 0), (0, AXES - flat.shape[1])))

    return EmbeddingMap(
        baseline=place(base),
        current=place(now),
        named=inside,
        explained=(explained[0], explained[1]),
        slice=slice_text,
    )


def _evenly(n: int, limit: int) -> NDArray[np.int64]:
    if n <= limit:
        return np.arange(n, dtype=np.int64)
    return np.linspace(0, n - 1, limit).astype(np.int64)
