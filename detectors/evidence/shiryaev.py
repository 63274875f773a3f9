"""Injection Shiryaev-Roberts: one tick of bets, and the share of the budget of each stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.bets import Bets
from detectors.evidence.table import StreamTable
from detectors.streams import StreamKey

Floats = NDArray[np.float64]

LEVEL_WEIGHTS = (0.3, 0.3, 0.4)


def shares(streams: Sequence[StreamKey]) -> Floats:
    """omega of each stream: 30 % for the whole model, 30 % for ``key=value``, 40 % for finer
    slices.

    Levels without streams give theirs to the others; inside a level all are equal. Sums to 1.
    """
    level = np.array([stream.level for stream in streams], np.int64)
    sizes = np.bincount(level, minlength=len(LEVEL_WEIGHTS))
    weights = np.where(sizes > 0, LEVEL_WEIGHTS, 0.0)
    weights /= max(weights.sum(), 1e-12)
    return np.asarray((weights / np.maximum(sizes, 1))[level])


def bet(
    table: StreamTable,
    rows: NDArray[np.int64],
    p: Floats,
    omega: Floats,
    *,
    bets: Bets,
    tick: int,
    ceiling: float,
) -> None:
    """``R <- (R + omega pi) L`` for each arm, and the CUSUM ``C <- max(C, 0) + log L`` with its
    start.

    Args:
        table, rows: which streams, n rows.
        p: (n,) p-values. omega: (n,) shares.
        bets: the arms.
        tick: now.
        ceiling: where a stream's evidence stops growing.
    """
    paid = bets.payoffs(p)
    evidence = (table.evidence[rows] + omega[:, None] * bets.prior) * paid
    total = evidence.sum(axis=1, keepdims=True)
    table.evidence[rows] = evidence * np.minimum(1.0, ceiling / np.maximum(total, 1e-300))
    before = table.cusum[rows]
    table.start[rows] = np.where(before <= 0.0, tick, table.start[rows])
    table.cusum[rows] = np.maximum(before, 0.0) + np.log(paid)


def onsets(table: StreamTable, rows: NDArray[np.int64], tick: int) -> NDArray[np.int64]:
    """The start tick of each stream's largest CUSUM; ``tick`` where none is positive."""
    cusum = table.cusum[rows]
    start = np.take_along_axis(table.start[rows], cusum.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(cusum.max(axis=1, initial=0.0) > 0.0, start, tick)
