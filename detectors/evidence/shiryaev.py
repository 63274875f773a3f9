"""Injection Shiryaev-Roberts: one tick of bets, and the share of the budget of each stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.evidence.bets import Bets
from detectors.evidence.table import NO_BET, StreamTable
from detectors.streams import StreamKey

Floats = NDArray[np.float64]

LEVEL_WEIGHTS = (0.3, 0.3, 0.4)


def shares(streams: Sequence[StreamKey]) -> Floats:
    """omega of each stream: 30 % for the whole model, 30 % for ``key=value``, 40 % for finer
    slices.

    Levels without streams give theirs to the others; inside a level all are equal. Sums to 1.
    """
    return shares_of(levels(streams))


def levels(streams: Sequence[StreamKey]) -> NDArray[np.int64]:
    """0 for the whole model, 1 for ``key=value``, 2 for finer slices, of each stream."""
    return np.array([stream.level for stream in streams], np.int64)


def shares_of(level: NDArray[np.int64]) -> Floats:
    """``shares`` of streams of these levels."""
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
    slot: int,
    ceiling: float,
) -> Floats:
    """``R <- (R + omega_v pi) L^(1 / tau)`` for each view and arm; returns each row's evidence.

    A stream's share is split evenly over the views that bet; a view that makes no bet keeps its
    R. Bets are remembered in ``slot`` of the ring.

    Args:
        table, rows: which streams, m rows.
        p: (m, V) p-values, NaN where a view makes no bet. omega: (m,) shares.
        bets: the arms.
        ceiling: where a stream's evidence stops growing.
    """
    made = np.isfinite(p)
    cells = bets.cell(np.where(made, p, 0.5))
    table.ring_bets[rows, slot] = np.where(made, cells, NO_BET)
    share = (omega / np.maximum(made.sum(axis=1), 1)).astype(np.float32)
    log_payoff = np.log(bets.payoff.T).astype(np.float32)
    paid = np.exp(log_payoff[cells] / table.temper[rows][:, :, bets.kind])
    before = table.evidence[rows]
    prior = bets.prior.astype(np.float32)
    after = np.where(made[:, :, None], (before + share[:, None, None] * prior) * paid, before)
    total = after.sum(axis=(1, 2))
    shrink = np.minimum(1.0, ceiling / np.maximum(total, 1.0))
    table.evidence[rows] = after * shrink[:, None, None]
    return np.asarray(np.minimum(total, ceiling), np.float64)
