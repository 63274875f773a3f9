"""After an extreme window the next ones are a stratum of their own.

Extremes come in clusters: a jolt of a camera, a cloud, a burst. A window within ``SPAN`` of an
extreme one is therefore compared with windows that followed an extreme too, in its direction, not
with all. Then a cluster is no evidence where clusters are usual, and a step that stays is.

Such windows are rare, so the streams of one level of a model (the whole, ``key=value``, finer)
share one pool of them. Coarser cells do: step 0.25 inside [-4, 4], geometric out to 60. Until
there are some, windows after an extreme are taken to be like any others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.table import AFTER_CELLS, AFTER_GRID, StreamTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

EXTREME = 0.002
"""A window is extreme where at most this share of the pool lies beyond it."""

SPAN = 3


def p_values(
    table: StreamTable, rows: Rows, view: int, z: Floats, uniform: Floats, *, joining: Flags
) -> Floats:
    """p-values of windows after an extreme one, against what usually follows; then they join.

    Args:
        rows, z, uniform, joining: (m,), all of windows within ``SPAN`` of an extreme.
    """
    sign = table.direction[rows, view].astype(np.float64)
    cells = np.searchsorted(AFTER_GRID, z * sign, side="right")
    group = table.level_of[rows]
    counts = table.after[group, view]
    below = (counts * (np.arange(AFTER_CELLS) < cells[:, None])).sum(axis=1)
    same = counts[np.arange(len(rows)), cells]
    p = (below + uniform * (same + 1.0)) / (counts.sum(axis=1) + 1.0)
    np.add.at(table.after[:, view], (group[joining], cells[joining]), 1)
    return np.asarray(np.where(sign > 0, p, 1.0 - p))


def notice(table: StreamTable, rows: Rows, view: int, p: Floats) -> None:
    """Start, or count down, the time after an extreme; ``p`` (m,) against the whole pool."""
    extreme = (p < EXTREME) | (p > 1.0 - EXTREME)
    rest = np.maximum(table.alert[rows, view] - 1, 0)
    table.alert[rows, view] = np.where(extreme, SPAN, rest)
    sign = np.where(p < 0.5, -1, 1)
    table.direction[rows, view] = np.where(extreme, sign, table.direction[rows, view])


def of_history(p: Floats, z: Floats) -> NDArray[np.int64]:
    """What followed extremes in a whole history, as counts (n, AFTER_CELLS).

    Args:
        p, z: (T, n), NaN where missing.
    """
    n = p.shape[1]
    counts = np.zeros((n, AFTER_CELLS), np.int64)
    extreme = (p < EXTREME) | (p > 1.0 - EXTREME)
    sign = np.where(p < 0.5, -1.0, 1.0)
    nearest = np.zeros(p.shape)
    for lag in range(SPAN, 0, -1):
        earlier = np.where(extreme, sign, 0.0)[:-lag]
        nearest[lag:] = np.where(earlier != 0.0, earlier, nearest[lag:])
    t, column = np.nonzero((nearest != 0.0) & np.isfinite(z))
    cells = np.searchsorted(AFTER_GRID, z[t, column] * nearest[t, column], side="right")
    np.add.at(counts, (column, cells), 1)
    return counts
