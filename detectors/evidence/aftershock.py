"""After an extreme window the next ones are a stratum of their own.

Extremes come in clusters: a jolt of a camera, a cloud, a burst. A window within ``SPAN`` of an
extreme one is therefore compared with windows that followed an extreme too, in its direction, not
with all. Then a cluster is no evidence where clusters are usual, and a step that stays is.

Such windows are rare, so a stream takes what it has not seen itself from the streams of its level
of the model (the whole, ``key=value``, finer). What is counted is each window's p-value against its
own stream, turned to the extreme's direction: those compare whatever the streams' distributions.
With N_. such windows of the level per cell of [0, 1] and M = ``PRIOR`` taken as seen that were like
any others, ::

    G(x) = (N_{<x} + M x) / (N + M),   evenly inside a cell

and with n_. windows of the stream per cell c = [l, h) of a coarser grid, S = ``SHARED`` windows
worth of the level's, and v = (G(x) - G(l)) / (G(h) - G(l)), ::

    p' = (n_{<c} + S G(l) + v (n_c + S (G(h) - G(l)) + 1/2)) / (n + S + 1/2)

Approximately uniform where what follows the stream's extremes is exchangeable. Such windows join
``DELAY`` ticks later, and not at all where an alarm has opened on their stream or level meanwhile:
else a fault would be its own reference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.bets import standard_bets
from detectors.evidence.table import EMPTY, StreamTable

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

EXTREME = 0.002
"""A window is extreme where at most this share of the pool lies beyond it."""

SPAN = 3
PRIOR = 300.0
SHARED = 100.0
OPEN = 0.5
"""Of a window, for what was never seen. A whole one, as in conformal p-values, hides on so coarse a
grid a fault among the extremes; none lets jolts that last page as faults."""
EDGES: Floats = standard_bets().edges
WIDTHS: Floats = np.diff(EDGES)
OWN_EDGES: Floats = np.array([0.0, 0.005, 0.1, 0.5, 0.9, 0.98, 0.995, 0.999, 0.9998, 1.0])
"""Finer where the extreme goes on."""


def _cells(p: Floats, edges: Floats = EDGES) -> Rows:
    found = np.searchsorted(edges, p, side="right") - 1
    return np.clip(found, 0, len(edges) - 2).astype(np.int64)


_EDGE_CELLS = _cells(OWN_EDGES)
_EDGE_PLACES: Floats = (OWN_EDGES - EDGES[_EDGE_CELLS]) / WIDTHS[_EDGE_CELLS]


def turn(table: StreamTable, tick: int) -> int:
    """Let the oldest pending windows join; returns their place, for those of this tick."""
    slot = int(table.pending_ticks.argmin())
    table.after += table.pending[slot]
    table.pending[slot] = 0
    row, view = np.nonzero(table.own_pending[:, slot] >= 0)
    np.add.at(table.own_after, (row, view, table.own_pending[row, slot, view]), 1)
    table.own_pending[:, slot] = EMPTY
    table.pending_ticks[slot] = tick
    return slot


def discard(table: StreamTable, rows: Rows, since_tick: int) -> None:
    """An alarm has opened on these rows: what they and their levels have pending since then never
    joins."""
    slots = np.flatnonzero(table.pending_ticks >= since_tick)
    table.own_pending[np.ix_(rows, slots)] = EMPTY
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
    each = np.arange(len(rows))
    cells = _cells(turned)
    place = np.clip((turned - EDGES[cells]) / WIDTHS[cells], 0.0, 1.0)
    group = table.level_of[rows]
    weight = table.after[group, view] + PRIOR * WIDTHS
    weight /= weight.sum(axis=1, keepdims=True)
    below = np.concatenate([np.zeros((len(rows), 1)), weight.cumsum(axis=1)], axis=1)
    shared = below[each, cells] + place * weight[each, cells]
    at_edges = below[:, _EDGE_CELLS] + _EDGE_PLACES * weight[:, _EDGE_CELLS]
    own = _cells(turned, OWN_EDGES)
    counts = table.own_after[rows, view].astype(np.float64)
    low, mass = at_edges[each, own], at_edges[each, own + 1] - at_edges[each, own]
    inside = np.clip((shared - low) / mass, 0.0, 1.0)
    under = (counts * (np.arange(counts.shape[1]) < own[:, None])).sum(axis=1) + SHARED * low
    same = counts[each, own] + SHARED * mass
    found = (under + inside * (same + OPEN)) / (counts.sum(axis=1) + SHARED + OPEN)
    np.add.at(table.pending[slot][:, view], (group[joining], cells[joining]), 1)
    table.own_pending[rows[joining], slot, view] = own[joining]
    return np.asarray(np.where(upward, found, 1.0 - found))


def notice(table: StreamTable, rows: Rows, view: int, p: Floats) -> None:
    """Start, or count down, the time after an extreme; ``p`` (m,) against the whole pool."""
    extreme = (p < EXTREME) | (p > 1.0 - EXTREME)
    rest = np.maximum(table.alert[rows, view] - 1, 0)
    table.alert[rows, view] = np.where(extreme, SPAN, rest)
    sign = np.where(p < 0.5, -1, 1)
    table.direction[rows, view] = np.where(extreme, sign, table.direction[rows, view])


def of_history(p: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What followed extremes in a whole history: counts per cell, (n, cells) and (n, own cells).

    Args:
        p: (T, n), NaN where missing.
    """
    n = p.shape[1]
    counts = np.zeros((n, len(WIDTHS)), np.int64)
    own = np.zeros((n, len(OWN_EDGES) - 1), np.int64)
    sign = np.where(p < EXTREME, -1.0, np.where(p > 1.0 - EXTREME, 1.0, 0.0))
    nearest = np.zeros(p.shape)
    for lag in range(SPAN, 0, -1):
        earlier = sign[:-lag]
        nearest[lag:] = np.where(earlier != 0.0, earlier, nearest[lag:])
    t, column = np.nonzero((nearest != 0.0) & np.isfinite(p))
    turned = np.where(nearest[t, column] > 0, p[t, column], 1.0 - p[t, column])
    np.add.at(counts, (column, _cells(turned)), 1)
    np.add.at(own, (column, _cells(turned, OWN_EDGES)), 1)
    return counts, own
