"""How much a stream's scores depend on the ones before them, in one pass and bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LAGS = (1, 10, 60)
BLOCKS = (3, 10, 30, 100, 300)
FEWEST_PAIRS = 100
FEWEST_BLOCKS = 5


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dependence:
    """Of N streams: ``autocorrelation`` (N, lags) and ``inflation`` (N, blocks); NaN: too short.

    The inflation of b windows is ``b Var(mean of b) / Var``: 1 for independent scores. It is what
    evidence over b windows is wrong by, where nothing takes it out.
    """

    autocorrelation: Floats
    inflation: Floats


class DependenceMeter:
    """Takes one score a stream and tick; a tick may be missing. O(N) a tick.

    Args:
        streams: how many there may be; more can be added by ``grow``.
    """

    def __init__(self, streams: int = 0) -> None:
        self._ring: NDArray[Any] = np.full((max(LAGS), streams), np.nan, np.float32)
        self._when = np.full(max(LAGS), -1, np.int64)
        self._pairs: NDArray[Any] = np.zeros((6, len(LAGS), streams))
        self._moments: NDArray[Any] = np.zeros((3, streams))
        self._open: NDArray[Any] = np.zeros((2, len(BLOCKS), streams))
        self._block = np.full(len(BLOCKS), -1, np.int64)
        self._blocks: NDArray[Any] = np.zeros((3, len(BLOCKS), streams))

    def grow(self, streams: int) -> None:
        """Make room for so many streams."""
        more = streams - self._moments.shape[1]
        if more <= 0:
            return
        self._ring = _wider(self._ring, more, np.nan)
        self._pairs = _wider(self._pairs, more, 0.0)
        self._moments = _wider(self._moments, more, 0.0)
        self._open = _wider(self._open, more, 0.0)
        self._blocks = _wider(self._blocks, more, 0.0)

    def add(self, tick: int, scores: Floats) -> None:
        """The scores (N,) of a tick, NaN where a stream had none. Ticks must grow."""
        seen = np.isfinite(scores)
        x = np.where(seen, scores, 0.0)
        self._moments += np.stack([seen, x, x * x])
        for i, lag in enumerate(LAGS):
            slot = (tick - lag) % len(self._when)
            if self._when[slot] != tick - lag:
                continue
            before = self._ring[slot].astype(np.float64)
            both = seen & np.isfinite(before)
            a, b = np.where(both, x, 0.0), np.where(both, before, 0.0)
            self._pairs[:, i] += np.stack([both, a, b, a * a, b * b, a * b])
        slot = tick % len(self._when)
        self._ring[slot], self._when[slot] = scores, tick
        for i, length in enumerate(BLOCKS):
            if self._block[i] != tick // length:
                self._close(i)
                self._block[i] = tick // length
            self._open[:, i] += np.stack([seen, x])

    def result(self) -> Dependence:
        """What is known so far; blocks that are not full do not count."""
        n, total, squares = self._moments
        with np.errstate(all="ignore"):
            variance = squares / n - (total / n) ** 2
            k, a, b, aa, bb, ab = self._pairs
            covariance = ab / k - a / k * b / k
            spread = np.sqrt((aa / k - (a / k) ** 2) * (bb / k - (b / k) ** 2))
            correlation = np.where(k >= FEWEST_PAIRS, covariance / spread, np.nan)
            m, means, mean_squares = self._blocks
            between = (mean_squares - means**2 / m) / (m - 1)
            inflation = np.where(m >= FEWEST_BLOCKS, between / variance, np.nan)
        return Dependence(autocorrelation=correlation.T, inflation=inflation.T)

    def _close(self, i: int) -> None:
        count, total = self._open[:, i]
        full = count >= 0.8 * BLOCKS[i]
        mean = np.where(full, total / np.sqrt(np.maximum(count, 1.0)), 0.0)
        self._blocks[:, i] += np.stack([full, mean, mean * mean])
        self._open[:, i] = 0.0


def _wider(array: NDArray[Any], more: int, fill: float) -> NDArray[Any]:
    pad = np.full((*array.shape[:-1], more), fill, array.dtype)
    return np.concatenate([array, pad], axis=-1)
