"""Tempering: how much less evidence there is in windows that hang together than in independent
ones.

With q the normal scores ``Phi^-1(p)`` of a stream's healthy windows, ``w = (q^2 - 1) / sqrt(2)``,
and B_b the means of b successive ones, ::

    tau = max(floor, max_b b Var(B_b)),   b in BLOCKS

and every bet pays ``L^(1 / tau)``. Block means see memory of any kind up to their length, where a
truncated sum of autocorrelations misses the long kind; those of w see a spread that comes and goes.
Under independence ``E[L^(1/tau)] <= 1`` (Jensen), so tempering costs speed, never validity.

There are three. *Slow* arms (shifts) are tempered by q over all block lengths, *spread* arms by q
and w, both with a margin for what a finite history does not show. *Fast* arms bet on extremes and
lose most of their stake in any other window; they can't gather over long blocks and are tempered by
the shortest ones, b = 3, unless the memory is long: ::

    tau_fast = max(1, 3 Var(B_3), (10 Var(B_10) / TEN)^4, LONG max_b(b Var(B_b))^1.5)

A jolt in a memory of 0.9 lasts ten windows, and looks like a fault for five; one in a memory of 0.6
does not. Whitening takes most of either out: what it leaves in blocks of ten is 1.05 to 1.15 where
memory is 0.6, and 1.15 to 1.35 where it is 0.9. Clusters of extremes are the business of
``aftershock``.

Source: variance inflation as in batch means, Flegal and Jones, Annals of Statistics 2010.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]

BLOCKS = np.array([3, 10, 30, 100, 300])
FEWEST = 8
"""Blocks of a length before its inflation counts."""

PRIOR = 4.0
"""Blocks of independent windows that are taken as seen."""

TEN, LONG = 1.12, 0.52
"""So chosen that fast arms stay fast where the memory between windows is 0.6 or less
(docs/decisions/0014)."""

SLOW_FLOOR, SLOW_MARGIN = 1.5, 1.5
FAST_FLOOR = 1.0
FLOORS = np.array([SLOW_FLOOR, FAST_FLOOR, SLOW_FLOOR])
KINDS = 2
"""q and w."""


def normal_scores(p: Floats) -> Floats:
    """``Phi^-1(p)``, bounded where p is 0 or 1."""
    return np.asarray(ndtri(np.clip(p, 1e-7, 1.0 - 1e-7)))


def both(p: Floats) -> Floats:
    """q and w of p-values, stacked in a new last axis."""
    q = normal_scores(p)
    return np.stack([q, (q**2 - 1.0) / np.sqrt(2.0)], axis=-1)


def tempers(squares: Floats, blocks: NDArray[np.int64]) -> Floats:
    """tau of each stream and view, of slow, fast and spread arms: (..., V, 3).

    Args:
        squares: (..., V, KINDS, len(BLOCKS)), sums of b B_b^2 over full blocks, of q and w.
        blocks: (..., len(BLOCKS)), how many.
    """
    many = blocks[..., None, None, :]
    inflation = np.where(many >= FEWEST, (squares + PRIOR) / (many + PRIOR), 1.0)
    longest = inflation.max(axis=-1)
    slow = np.maximum(SLOW_MARGIN * longest[..., 0], SLOW_FLOOR)
    spread = np.maximum(SLOW_MARGIN * longest.max(axis=-1), SLOW_FLOOR)
    ten = (inflation[..., 0, 1] / TEN) ** 4
    lasting = np.maximum(ten, LONG * longest[..., 0] ** 1.5)
    fast = np.maximum(np.maximum(inflation[..., 0].max(axis=-1), lasting), FAST_FLOOR)
    return np.stack([slow, fast, spread], axis=-1)


def of_history(q: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The sums of a whole history: (T, n), NaN where missing, to (n, BLOCKS) squares and (n,
    BLOCKS) numbers. Blocks run over the windows that are there."""
    n = q.shape[1]
    squares, blocks = np.zeros((n, len(BLOCKS))), np.zeros((n, len(BLOCKS)), np.int64)
    if np.isfinite(q).all():
        for i, b in enumerate(BLOCKS.tolist()):
            full = len(q) // b
            sums = q[: full * b].reshape(full, b, n).sum(axis=1)
            squares[:, i], blocks[:, i] = (sums**2).sum(axis=0) / b, full
        return squares, blocks
    for column in range(n):
        one, many = of_history(q[np.isfinite(q[:, column]), column][:, None])
        squares[column], blocks[column] = one[0], many[0]
    return squares, blocks
