"""A uniform sample of rows of bounded size, from a stream of unknown length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


class Reservoir:
    """Keeps the k rows with the smallest random keys, so every row is equally likely to stay.

    Args:
        k: size.
        rng: draws the keys.
    """

    def __init__(self, k: int, rng: np.random.Generator) -> None:
        self._k, self._rng = k, rng
        self._keys: list[NDArray[np.float64]] = []
        self._rows: list[Matrix] = []
        self._held = 0

    def add(self, rows: Matrix) -> None:
        """Rows (n, d), all of one width."""
        self._keys.append(self._rng.random(len(rows)))
        self._rows.append(rows.copy())
        self._held += len(rows)
        if self._held > 4 * self._k:
            self._shrink()

    def rows(self) -> Matrix:
        """The sample, (at most k, d); (0, 0) where nothing came."""
        if not self._rows:
            return np.zeros((0, 0), np.float32)
        self._shrink()
        return self._rows[0]

    def _shrink(self) -> None:
        keys, rows = np.concatenate(self._keys), np.concatenate(self._rows)
        if len(keys) > self._k:
            kept = np.argpartition(keys, self._k)[: self._k]
            keys, rows = keys[kept], rows[kept]
        self._keys, self._rows, self._held = [keys], [rows], len(keys)
