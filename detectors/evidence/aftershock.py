"""After an extreme window the next ones are a stratum of their own.

Extremes come in clusters: a jolt of a camera, a cloud, a burst. A window within ``SPAN`` of an
extreme one is therefore compared with windows that followed an extreme too, in its direction, not
with all. Then a cluster is no evidence where clusters are usual, and a step that stays is.

Such windows are rare, so the streams of one level of a model (the whole, ``key=value``, finer)
share one pool of them. What is pooled is each window's p-value against its own stream, turned to
the extreme's direction: those compare whatever the streams' distributions. With N_. such windows
per cell j of [0, 1], cell j from e_j and of width w_j, and v the place of p in it, ::

    p' = (N_{<j} + M e_j + v (N_j + M w_j + 1)) / (N + M + 1)

M = ``PRIOR`` windows are taken as seen that were like any others. Uniform where what follows
extremes is exchangeable. Such windows join ``DELAY`` ticks later, and not at all where an alarm has
opened on their level meanwhile: else a fault on all streams would be its own reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.bets import standard_bets
from detectors.evidence.table import StreamTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

EXTREME = 0.002
"""A window is extreme where at most this share of the pool lies beyond it."""

SPAN = 3
PRIOR = 300.0
EDGES: Floats = standard_bets().edges
WIDTHS: Floats = np.diff(EDGES)


def _cells(p: Floats) -> Rows:
    found = np.searchsorted(EDGES, p, side="right") - 1
    return np.clip(found, 0, len(WIDTHS) - 1).astype(np.int64)


def turn(table: StreamTable, tick: int) -> int:
    """Let the oldest pending windows join; returns their place, for those of this tick."""
    slot = int(table.pending_ticks.argmin())
    table.after += table.pending[slot]
    table.pending[slot] = 0
    table.pending_ticks[slot] = tick
    return slot


def discard(table: StreamTable, rows: Rows, since_tick: int) -> None:
    """An alarm has opened on these rows: what their levels have pending since then never joins."""
    slots = np.flatnonzero(table.pending_ticks >= since_tick)
    table.pending[np.ix_(slots, np.unique(table.level_of[rows]))] = 0


def p_values(
    table: StreamTable, rows: Rows, view: int, p: Floats, *, joining: Flags, slot: int
) -> Floats:
    """p-values of windows after an extreme one, against what usually follows; then they wait.

    Args:
        rows, p, joining: (m,), all of windows within ``SPAN`` of an extreme; ``p`` against the
            stream's own pool.
        slot: the place of this tick.
    """
    upward = table.direction[rows, view] > 0
    turned = np.where(upward, p, 1.0 - p)
    cells = _cells(turned)
    group = table.level_of[rows]
    counts = table.after[group, view].astype(np.float64)
    below = (counts * (np.arange(len(WIDTHS)) < cells[:, None])).sum(axis=1) + PRIOR * EDGES[cells]
    same = counts[np.arange(len(rows)), cells] + PRIOR * WIDTHS[cells]
    place = np.clip((turned - EDGES[cells]) / WIDTHS[cells], 0.0, 1.0)
    found = (below + place * (same + 1.0)) / (counts.sum(axis=1) + PRIOR + 1.0)
    np.add.at(table.pending[slot][:, view], (group[joining], cells[joining]), 1)
    return np.asarray(np.where(upward, found, 1.0 - found))


def notice(table: StreamTable, rows: Rows, view: int, p: Floats) -> None:
    """Start, or count down, the time after an extreme; ``p`` (m,) against the whole pool."""
    extreme = (p < EXTREME) | (p > 1.0 - EXTREME)
    rest = np.maximum(table.alert[rows, view] - 1, 0)
    table.alert[rows, view] = np.where(extreme, SPAN, rest)
    sign = np.where(p < 0.5, -1, 1)
    table.direction[rows, view] = np.where(extreme, sign, table.direction[rows, view])


def of_history(p: Floats) -> NDArray[np.int64]:
    """What followed extremes in a whole history, as counts (n, cells).

    Args:
        p: (T, n), NaN where missing.
    """
    n = p.shape[1]
    counts = np.zeros((n, len(WIDTHS)), np.int64)
    sign = np.where(p < EXTREME, -1.0, np.where(p > 1.0 - EXTREME, 1.0, 0.0))
    nearest = np.zeros(p.shape)
    for lag in range(SPAN, 0, -1):
        earlier = sign[:-lag]
        nearest[lag:] = np.where(earlier != 0.0, earlier, nearest[lag:])
    t, column = np.nonzero((nearest != 0.0) & np.isfinite(p))
    turned = np.where(nearest[t, column] > 0, p[t, column], 1.0 - p[t, column])
    np.add.at(counts, (column, _cells(turned)), 1)
    return counts
