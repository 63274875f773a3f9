"""What the host knows of a window that a device sums: its cells, its ledger and its samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.device.accumulator import Cell, DeviceAccumulator
from vigil.device.candidates import Chosen
from vigil.device.lane import Lane
from vigil.device.ruler import DeviceRuler
from vigil.measuring.batch import RecordBatch
from vigil.measuring.conform import Shape
from vigil.measuring.summarise import MAX_CELLS, cells_of, sample_of
from vigil.quality.check import check
from vigil.quality.counts import NO_FAULTS, Quality
from vigil.windows.part import Part
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.window import Ledger


class Gathered:
    """One window of one version on one device; made inside the lane's ``work``.

    Args:
        ruler: what the window is measured with.
        lane: the device.
        sizes: of the uniform and the informative sample.
        keep_thumbnails: whether the samples hold thumbnails.
    """

    def __init__(
        self,
        ruler: Ruler,
        lane: Lane,
        sizes: tuple[int, int],
        *,
        keep_thumbnails: bool,
    ) -> None:
        room = MAX_CELLS if ruler.layout.keys else 1
        self.sums = DeviceAccumulator(DeviceRuler(ruler, lane), lane, room)
        self._ruler, self._sizes, self._keep_thumbnails = ruler, sizes, keep_thumbnails
        self._cells: tuple[Cell, ...] = ()
        self._ledgers: list[Ledger] = []
        self._ids: list[str] = []
        self._custom_ids = False
        self._shape = Shape()
        self._samples = [Sample.empty(), Sample.empty()]
        self._quality = NO_FAULTS
        self.waiting = 0
        """Blocks that were launched and are not back yet."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing came back of it."""
        return not self._ledgers

    @property
    def records(self) -> int:
        """So many came back of it."""
        return len(self._ids)

    def rows_of(self, batch: RecordBatch) -> NDArray[np.int64]:
        """The cell of each record."""
        self._cells, rows = cells_of(
            batch, self._ruler.layout.keys, max_cells=self.sums.room, known=self._cells
        )
        return rows

    def take(
        self,
        batch: RecordBatch,
        cells: NDArray[np.int64],
        hashes: NDArray[np.float64],
        confidence: NDArray[np.float32],
        places: NDArray[np.int64],
        chosen: Chosen,
        names: tuple[str, ...],
    ) -> None:
        """What came back of the records of ``batch``.

        Args:
            batch: n records, with their predictions.
            cells, hashes, confidence: (n,).
            places: the record of each row of the block, -1 for rows of other windows.
            chosen: candidates for the samples, with the signals ``names``.
        """
        self._ledgers.append(
            Ledger(
                counter=batch.counter,
                cell=cells.astype(np.uint16),
                prediction=batch.prediction,
                confidence=confidence,
            )
        )
        self._ids.extend(batch.ids)
        self._note_faults(batch, cells)
        self._custom_ids |= batch.custom_ids
        records = places[chosen.rows]
        uniform = min(len(places), self._sizes[0] + 1) if self._sizes[0] else 0
        for i, (start, end) in enumerate(((0, uniform), (uniform, len(records)))):
            at = np.arange(start, end)[records[start:end] >= 0]
            self._sample(i, batch, records[at], hashes, chosen, at, names)

    def _note_faults(self, batch: RecordBatch, cells: NDArray[np.int64]) -> None:
        flags, examples = batch.flags, dict[str, str]()
        if self._ruler.schema is not None:
            found, examples = check(self._ruler.schema, batch)
            flags = flags | found
        here = Quality.of(flags, cells, self._cells, examples)
        self._quality = Quality.sum([self._quality, here])

    def _sample(
        self,
        which: int,
        batch: RecordBatch,
        records: NDArray[np.int64],
        hashes: NDArray[np.float64],
        chosen: Chosen,
        at: NDArray[np.int64],
        names: tuple[str, ...],
    ) -> None:
        if not len(records):
            return
        found: dict[str, Any] = {
            "signal_names": names,
            "signals": chosen.signals[at].astype(np.float64),
            "probabilities": chosen.probabilities[at].astype(np.float32),
            "embedding": chosen.embedding[at].astype(np.float32),
            "thumbnails": chosen.thumbnails[at],
        }
        candidates = replace(batch.take(records), **found)
        shape = self._shape.learn([candidates], self._ruler)
        new = sample_of(
            shape.fit(candidates),
            k=self._sizes[which],
            weighted=which == 1,
            keep_thumbnails=self._keep_thumbnails,
            hashes=hashes[records],
        )
        if shape != self._shape:
            keep = self._keep_thumbnails
            self._samples = [
                shape.fit_sample(one, keep_thumbnails=keep) if len(one) else one
                for one in self._samples
            ]
            self._shape = shape
        old = self._samples[which]
        self._samples[which] = Sample.merge([old, new], self._sizes[which]) if len(old) else new

    def download(self) -> Any:
        """Start the one copy of the window's sums; inside the lane's ``work``."""
        return self.sums.download(len(self._cells))

    def part(self, here: Any) -> Part:
        """The window, once what ``download`` copied is there."""
        sample, informative = self._samples
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(one, name) for one in self._ledgers])
            for name in ("counter", "cell", "prediction", "confidence")
        }
        return Part(
            ruler=self._ruler,
            summary=self.sums.summary(here, self._cells),
            sample=sample,
            informative=informative,
            ledger=Ledger(**columns),
            ids=tuple(self._ids),
            custom_ids=self._custom_ids,
            quality=self._quality,
        )
