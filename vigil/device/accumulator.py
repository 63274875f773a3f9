"""The sums of one window and one ruler, kept on the device until the window ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.device.lane import Lane
from vigil.device.ruler import DeviceRuler
from vigil.device.tensors import Tensor, torch
from vigil.windows.ruler import DISTANCE_SIGNAL
from vigil.windows.summary import Summary

Cell = tuple[str, ...]


class DeviceAccumulator:
    """What ``vigil.measuring.summarise.summarise`` sums, on the device of ``lane``.

    One int64 buffer (cells + 1, width) holds everything of a cell side by side: records, embedded,
    moments, features, counts, classes. The last row takes records that are not of this window.
    Everything is an integer, so the order of additions does not matter and the sums are those of
    the CPU, bit for bit, for the same values.

    Args:
        ruler: what to measure with.
        lane: the device.
        cells: room for so many.
    """

    def __init__(self, ruler: DeviceRuler, lane: Lane, cells: int) -> None:
        self.ruler, self._lane, self.room = ruler, lane, cells
        layout = ruler.ruler.layout
        s, b, k = len(layout.signals), layout.bins, layout.classes
        self._plain = 2 + 2 * s + layout.features
        self.width = self._plain + s * (b + 1) + k + 1
        xp, device = torch(), lane.device
        self._total = xp.zeros((cells + 1, self.width), dtype=xp.int64, device=device)
        starts = self._plain + np.arange(s) * (b + 1)
        self._starts = lane.constant(starts.astype(np.int64))
        counts = ruler.per_record
        self._per_record = None if counts.all() else lane.constant(counts)
        self._classes_start = self._plain + s * (b + 1)

    def add(
        self,
        table: Tensor,
        names: tuple[str, ...],
        classes: Tensor,
        embedding: Tensor | None,
        rows: Tensor,
    ) -> None:
        """Add n records.

        Args:
            table: float64 (n, names), NaN where missing. The embedding's distance is written into
                it.
            names: its columns: at least the signals of records that the ruler counts.
            classes: int64 (n,), -1 where there is none.
            embedding: float32 (n, d), or None.
            rows: int64 (n,): the cell of each record; ``room`` for those that don't count.
        """
        xp, ruler = torch(), self.ruler
        layout = ruler.ruler.layout
        n = len(table)
        usable, features = self._embedded(table, names, embedding)
        values = ruler.columns(table, names)
        moved = ruler.standardise(values)
        spots = ruler.digitise(values) + self._starts + rows[:, None] * self.width
        if self._per_record is not None:
            moved = xp.where(self._per_record, moved, 0)
            spots = xp.where(self._per_record, spots, self.room * self.width)
        moments = xp.stack([moved, moved * moved], dim=2).reshape(n, -1)
        one = xp.ones((n, 1), dtype=xp.int64, device=table.device)
        columns = [one, usable[:, None].to(xp.int64), moments]
        if layout.features:
            columns.append(features)
        self._total[:, : self._plain].index_add_(0, rows, xp.cat(columns, dim=1))
        known = (classes >= 0) & (classes < layout.classes)
        classes = xp.where(known, classes, layout.classes) + self._classes_start
        spots = xp.cat([spots, (classes + rows * self.width)[:, None]], dim=1).reshape(-1)
        self._total.view(-1).scatter_add_(0, spots, one.expand(n, spots.numel() // n).reshape(-1))

    def _embedded(
        self, table: Tensor, names: tuple[str, ...], embedding: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Which records have a usable embedding (n,), and their features (n, F), else zeros."""
        xp, ruler, n = torch(), self.ruler, len(table)
        layout = ruler.ruler.layout
        none = xp.zeros((n, layout.features), dtype=xp.int64, device=table.device)
        fits = embedding is not None and ruler.dimension in (None, embedding.shape[1])
        if embedding is None or not fits:
            return xp.zeros((n,), dtype=xp.bool, device=table.device), none
        usable = embedding.isfinite().all(dim=1)
        if ruler.dimension is None:
            return usable, none
        clean = xp.where(usable[:, None], embedding, 0.0)
        if DISTANCE_SIGNAL in names:
            distance = table[:, names.index(DISTANCE_SIGNAL)]
            distance.copy_(xp.where(usable, ruler.distance(clean).double(), distance))
        return usable, xp.where(usable[:, None], ruler.features(clean), 0)

    def download(self, cells: int) -> Tensor:
        """Start the copy of the first ``cells`` rows to the host; inside the lane's ``work``."""
        here = self._lane.host((cells, self.width), torch().int64)
        self._lane.download(here, self._total[:cells])
        return here

    def summary(self, here: Tensor, cells: Sequence[Cell]) -> Summary:
        """What was downloaded, once it is there."""
        layout = self.ruler.ruler.layout
        c, s, b, k = len(cells), len(layout.signals), layout.bins, layout.classes
        values: NDArray[Any] = here.numpy()
        ends = np.cumsum([1, 1, 2 * s, layout.features, s * (b + 1), k + 1])
        records, embedded, moments, features, counts, classes = (
            np.ascontiguousarray(part) for part in np.split(values, ends[:-1], axis=1)
        )
        return Summary(
            layout=layout,
            cells=tuple(cells),
            records=records[:, 0],
            counts=counts.reshape(c, s, b + 1),
            moments=moments.reshape(c, s, 2),
            classes=classes,
            embedded=embedded[:, 0],
            features=features,
        )
