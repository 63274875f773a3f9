"""Choosing records that stand for the others: greedy facility location, weighted by worth.

A choice C is as good as the records that it covers ::

    f(C) = sum_i score_i^4 max_{j in C} exp(-(d_ij / h)^2)

with d the distance between embeddings and h half the median distance in the pool, so that the
choice adapts to how far the records lie apart. f is submodular: taking the record with the largest
gain, again and again, comes within 1 - 1/e of the best choice (Nemhauser, Wolsey and Fisher, 1978;
for picking data Wei, Iyer and Bilmes, 2015).

The worth of what a record stands for counts, not its own alone: with few labels, the most
uncertain records are mostly odd ones that teach little about the others. Measured in
``bench/actions``. The fourth power keeps many ordinary records from outweighing a few that are
worth a look. When not to use it: where the embeddings say nothing about what is alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHARPNESS = 4
MOST_COVERED = 1500
"""Coverage is summed over so many records of the pool, evenly taken."""


def spread_choice(
    points: Floats,
    score: Floats,
    pool: NDArray[np.int64],
    count: int,
    *,
    quotas: Sequence[tuple[NDArray[np.bool_], int]] = (),
) -> list[int]:
    """At most ``count`` rows of ``pool``, as they were chosen.

    Args:
        points: scaled embeddings (n, d); records without finite ones stand for themselves alone.
        score: worth of each record, (n,), above 0.
        quotas: of these records (a mask (n,)) at least so many, where there are; quotas come
            first, in their order, and what is chosen for one counts for the others.
    """
    alike = _alike(points[pool])
    step = max(1, -(-len(pool) // MOST_COVERED))
    worth = (score[pool] ** SHARPNESS).astype(np.float32)
    weight = worth[::step]
    covered = np.zeros(len(weight), np.float32)
    own = np.float32(1e-6) * worth  # of equals, the one that is worth most
    left = np.ones(len(pool), bool)
    chosen: list[int] = []

    def choose(among: NDArray[np.bool_]) -> bool:
        open_ones = left & among
        if len(chosen) >= count or not open_ones.any():
            return False
        gain = np.maximum(alike - covered, 0.0) @ weight + own
        best = int(np.argmax(np.where(open_ones, gain, -1.0)))
        left[best] = False
        chosen.append(int(pool[best]))
        np.maximum(covered, alike[best], out=covered)
        return True

    for mask, least in quotas:
        mine = mask[pool]
        while sum(bool(mask[row]) for row in chosen) < least and choose(mine):
            pass
    everyone = np.ones(len(pool), bool)
    while choose(everyone):
        pass
    return chosen


def _alike(points: Floats) -> NDArray[np.float32]:
    """How far each record stands for each of those that are to be covered, (n, m) in [0, 1]."""
    n = len(points)
    step = max(1, -(-n // MOST_COVERED))
    columns = np.arange(0, n, step)
    same: NDArray[np.float32] = np.equal.outer(np.arange(n), columns).astype(np.float32)
    known = np.isfinite(points).all(axis=1) & (points.shape[1] > 0)
    if known.sum() < 2:
        return same
    finite = np.where(known[:, None], points, 0.0)
    size = (finite**2).sum(axis=1)
    squared = size[:, None] + size[columns][None, :] - 2.0 * finite @ finite[columns].T
    both = known[:, None] & known[columns][None, :]
    apart = squared[both & (same == 0)]
    width = float(np.median(apart)) / 4.0 if len(apart) else 1.0
    near = np.exp(-np.maximum(squared, 0.0) / max(width, 1e-12)).astype(np.float32)
    alike: NDArray[np.float32] = np.where(both, near, same)
    return alike
