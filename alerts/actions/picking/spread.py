"""Choosing records that differ: the one that maximises score times distance to those chosen, again
and again, a weighted k-centre choice (Gonzalez, 1985; Sener and Savarese, 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def spread_choice(
    points: Floats,
    score: Floats,
    pool: NDArray[np.int64],
    count: int,
    *,
    usual: float,
    quotas: Sequence[tuple[NDArray[np.bool_], int]] = (),
) -> list[int]:
    """At most ``count`` rows of ``pool``, as they were chosen.

    Args:
        points: scaled embeddings (n, d).
        score: worth of each record, (n,), above 0.
        usual: a distance of which more counts no further.
        quotas: of these records (a mask (n,)) at least so many, where there are; quotas come
            first, in their order, and what is chosen for one counts for the others.
    """
    gap = np.full(len(pool), np.inf)
    left = np.ones(len(pool), bool)
    chosen: list[int] = []

    def choose(among: NDArray[np.bool_]) -> bool:
        nonlocal gap
        open_ones = left & among
        if len(chosen) >= count or not open_ones.any():
            return False
        worth = np.where(open_ones, score[pool] * np.minimum(1.0, gap / usual), -1.0)
        best = int(np.argmax(worth))
        left[best] = False
        chosen.append(int(pool[best]))
        if points.shape[1]:
            distance = np.linalg.norm(points[pool] - points[pool[best]], axis=1)
            gap = np.fmin(gap, np.where(np.isfinite(distance), distance, np.inf))
        return True

    for mask, least in quotas:
        mine = mask[pool]
        while sum(bool(mask[row]) for row in chosen) < least and choose(mine):
            pass
    everyone = np.ones(len(pool), bool)
    while choose(everyone):
        pass
    return chosen
