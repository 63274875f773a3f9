"""Means and spreads of scalar signals in their own unit: at the baseline, on the same cells, and
now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Part
from detectors.streams import StreamKey
from vigil.catalogue import base_of
from vigil.types import Slice
from vigil.windows.summary import MOMENT_UNIT, Summary, membership

Floats = NDArray[np.float64]


class Means:
    """What pages tell of scalars: their mean, and of a spread's stream the standard deviation
    within leaf cells."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._sums = [_PartSums(part) for part in parts]

    def of(self, stream: StreamKey) -> tuple[float | None, float | None]:
        """Before and now; None where there is nothing to tell, as for other than scalars."""
        base = base_of(stream.signal)
        spread = base != stream.signal
        before = now = weight = seen = coarse = 0.0
        for sums in self._sums:
            s = sums.column.get(base)
            if s is None:
                continue
            coarse = max(coarse, float(sums.scale[s]) / MOMENT_UNIT)
            rows = sums.rows(stream.slice)
            n = sums.values[rows, s]
            known = np.where(sums.known[rows], n, 0.0)
            seen += float(n.sum())
            weight += float(known.sum())
            if spread:
                now += sums.scale[s] ** 2 * float(n @ sums.variance[rows, s])
                before += sums.scale[s] ** 2 * float(known @ sums.reference_variance[rows, s])
            else:
                now += float(n @ (sums.center[s] + sums.scale[s] * sums.mean[rows, s]))
                before += float(
                    known @ (sums.center[s] + sums.scale[s] * sums.reference_mean[rows, s])
                )
        found = before / weight if weight else None, now / seen if seen else None
        if not spread:
            # Moments are in fixed point: what is smaller than their step is nothing.
            first, last = (None if one is None else one * (abs(one) >= coarse) for one in found)
            return first, last
        return (
            None if found[0] is None else float(np.sqrt(max(found[0], 0.0))),
            None if found[1] is None else float(np.sqrt(max(found[1], 0.0))),
        )


class _PartSums:
    """What the means of one part need, (C, S) for C cells and S signals, in standard units.

    ``values``: their numbers. ``mean``, ``variance``: as seen; ``reference_mean``,
    ``reference_variance``: at the baseline; ``known`` (C,): it has the cell.
    """

    def __init__(self, part: Part) -> None:
        ruler, summary, baseline = part.baseline.ruler, part.summary, part.baseline.reference
        self.column = {name: s for s, name in enumerate(ruler.layout.signals)}
        self.center, self.scale = ruler.center, ruler.scale
        self.values, self.mean, self.variance = _moments(summary)
        where = {cell: row for row, cell in enumerate(baseline.cells)}
        rows = np.array([where.get(cell, -1) for cell in summary.cells], np.int64)
        self.known = rows >= 0
        _, mean, variance = _moments(baseline)
        take = np.maximum(rows, 0)
        self.reference_mean = np.where(self.known[:, None], mean[take], 0.0)
        self.reference_variance = np.where(self.known[:, None], variance[take], 0.0)
        self._keys, self._cells = summary.layout.keys, summary.cells
        self._rows: dict[Slice, NDArray[np.int64]] = {}

    def rows(self, piece: Slice) -> NDArray[np.int64]:
        """The cells of a slice."""
        found = self._rows.get(piece)
        if found is None:
            found = np.flatnonzero(membership([piece], self._keys, self._cells)[0])
            self._rows[piece] = found
        return found


def _moments(summary: Summary) -> tuple[Floats, Floats, Floats]:
    """Number, mean and variance of each cell and signal; the variance as n - 1 of them tell it."""
    n = summary.counts[:, :, :-1].sum(axis=2).astype(np.float64)
    safe = np.maximum(n, 1.0)
    mean = summary.moments[:, :, 0] / MOMENT_UNIT / safe
    square = summary.moments[:, :, 1] / MOMENT_UNIT**2 / safe
    return n, mean, (square - mean**2) * n / np.maximum(n - 1.0, 1.0)
