"""The pool: healthy scores as growing counts over fixed cells, and conformal p-values against it.

For a score in cell g and the counts N_. of its stream, with U uniform on [0, 1] and N the total, ::

    p = (N_{<g} + U (N_g + 1)) / (N + 1)

is exactly uniform while the stream's scores are exchangeable, whatever the cells: ties are broken
at random. Then the score joins the pool. The cells are common to all streams: step 0.05 inside
[-4, 4], geometric out to 60, so that a pool is 256 integers however long the history. Sums over
blocks of 16 cells are kept beside them: a rank then costs 32 additions, not 256.

A pool that does not grow is NOT valid: p-values against one frozen history all err the same way.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]

_INNER = np.linspace(-4.0, 4.0, 161)
_OUTER = np.geomspace(4.0, 60.0, 48)[1:]
GRID: Floats = np.concatenate([-_OUTER[::-1], _INNER, _OUTER])
CELLS = len(GRID) + 1
SIDE = 16
"""Cells of a block, and blocks of a pool."""

_PLACES = np.arange(SIDE)


def cells_of(z: Floats) -> NDArray[np.int64]:
    """The cell of each score, any shape."""
    return np.searchsorted(GRID, z, side="right").astype(np.int64)


def p_values(counts: Counts, cells: NDArray[np.int64], uniform: Floats) -> Floats:
    """Randomised conformal p-values.

    Args:
        counts: (n, CELLS), the pool of each stream.
        cells: (n,), the cell of each new score.
        uniform: (n,), in [0, 1].

    An empty pool gives ``uniform`` back: no evidence.
    """
    rows = np.arange(len(cells))
    below = (counts * (np.arange(CELLS) < cells[:, None])).sum(axis=1)
    same = counts[rows, cells]
    return np.asarray((below + uniform * (same + 1.0)) / (counts.sum(axis=1) + 1.0))


def block_sums(counts: Counts) -> Counts:
    """Sums over blocks of cells: (..., CELLS) to (..., SIDE)."""
    sums: Counts = counts.reshape(*counts.shape[:-1], SIDE, SIDE).sum(axis=-1, dtype=np.int32)
    return sums


def ranked(
    counts: Counts, blocks: Counts, rows: NDArray[np.int64], cells: NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """What ``p_values`` needs of some rows of a table of pools: scores below, equal, and in all.

    Args:
        counts, blocks: (n, CELLS) and (n, SIDE).
        rows, cells: (m,), which pools and where the new scores fall.
    """
    high, low = cells // SIDE, cells % SIDE
    coarse = blocks[rows]
    fine = counts.reshape(len(counts), SIDE, SIDE)[rows, high]
    below = (coarse * (high[:, None] > _PLACES)).sum(axis=1)
    below += (fine * (low[:, None] > _PLACES)).sum(axis=1)
    same = fine[np.arange(len(rows)), low]
    return below.astype(np.float64), same.astype(np.float64), coarse.sum(axis=1).astype(np.float64)


def histogram(z: Floats) -> Counts:
    """Scores (m, n), NaN where a stream had none, as counts (n, CELLS)."""
    n = z.shape[1]
    present = np.isfinite(z)
    columns = np.broadcast_to(np.arange(n), z.shape)[present]
    spots = columns * CELLS + cells_of(z[present])
    return np.bincount(spots, minlength=n * CELLS).reshape(n, CELLS).astype(np.int32)
