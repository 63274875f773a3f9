"""A window that still grows: batches, and parts that a device measured, summed as they come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vigil.measuring.batch import RecordBatch
from vigil.measuring.conform import Shape
from vigil.measuring.summarise import MAX_CELLS, sample_of, sampling_hashes, summarise
from vigil.quality.check import check
from vigil.quality.counts import NO_FAULTS, Quality
from vigil.windows.part import Part, grown, moved
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import Summary
from vigil.windows.window import EMPTY_LEDGER, Ledger

FOLD_RECORDS = 4096
FOLD_BYTES = 32 * 2**20


class OpenWindow:
    """A window that still grows. Batches wait and are summed together, which costs far less than
    one by one; ``fold`` sums what waits."""

    def __init__(self, ruler: Ruler, sizes: tuple[int, int], keep_thumbnails: bool) -> None:
        self.ruler = ruler
        self.summary = Summary.empty(ruler.layout)
        self.sample = Sample.empty()
        self.informative = Sample.empty()
        self._sizes, self._keep_thumbnails = sizes, keep_thumbnails
        self._shape = Shape()
        self._waiting: list[RecordBatch] = []
        self._waiting_records = self._waiting_bytes = 0
        self._ledgers: list[Ledger] = []
        self._ids: list[str] = []
        self._custom_ids = False
        self.quality = NO_FAULTS
        self._examples: dict[str, str] = {}

    def add(self, batch: RecordBatch) -> None:
        if self.ruler.schema is not None:
            flags, examples = check(self.ruler.schema, batch)
            self._examples = {**examples, **self._examples}
            batch = replace(batch, flags=batch.flags | flags)
        self._waiting.append(batch)
        self._waiting_records += len(batch)
        self._waiting_bytes += (
            batch.embedding.nbytes
            + batch.probabilities.nbytes
            + batch.thumbnails.nbytes
            + sum(one.nbytes for one in batch.whole if one is not None)
        )
        if self._waiting_records >= FOLD_RECORDS or self._waiting_bytes >= FOLD_BYTES:
            self.fold()

    def merge(self, part: Part) -> None:
        """Add what was measured elsewhere with the same ruler."""
        self.fold()
        shape = self._shape.learn([part.sample, part.informative], self.ruler)
        self.summary, rows = grown(self.summary, part.summary, MAX_CELLS)
        self._ledgers.append(moved(part.ledger, rows))
        self._ids.extend(part.ids)
        self._custom_ids |= part.custom_ids
        self.quality = Quality.sum([self.quality, part.quality])
        self._merge_samples([part.sample, part.informative], shape)

    def fold(self) -> None:
        if not self._waiting:
            return
        shape = self._shape.learn(self._waiting, self.ruler)
        batch = RecordBatch.concatenate([shape.fit(part) for part in self._waiting])
        self._waiting, self._waiting_records, self._waiting_bytes = [], 0, 0
        summary, rows, batch = summarise(batch, self.ruler, known=self.summary.cells)
        self.summary = _grown(self.summary, summary)
        found = Quality.of(batch.flags, rows, self.summary.cells, self._examples)
        self.quality = Quality.sum([self.quality, found])
        confidence = batch.column("confidence").astype(np.float32)
        self._ledgers.append(
            Ledger(
                counter=batch.counter,
                cell=rows.astype(np.uint16),
                prediction=batch.prediction,
                confidence=confidence,
            )
        )
        self._ids.extend(batch.ids)
        self._custom_ids |= batch.custom_ids
        self._sample(batch, shape)

    def _sample(self, batch: RecordBatch, shape: Shape) -> None:
        hashes = sampling_hashes(batch.ids)
        new = [
            sample_of(
                batch, k=k, weighted=weighted, keep_thumbnails=self._keep_thumbnails, hashes=hashes
            )
            for k, weighted in zip(self._sizes, (False, True), strict=True)
        ]
        self._merge_samples(new, shape)

    def _merge_samples(self, new: list[Sample], shape: Shape) -> None:
        if len(self._ledgers) > 1:
            keep = self._keep_thumbnails
            old = [self.sample, self.informative]
            if shape != self._shape:
                old = [shape.fit_sample(sample, keep_thumbnails=keep) for sample in old]
            new = [Sample.merge(pair, k) for *pair, k in zip(old, new, self._sizes, strict=True)]
        self.sample, self.informative = new
        self._shape = shape

    def ledger(self) -> Ledger:
        if not self._ledgers:
            return EMPTY_LEDGER
        return Ledger(
            ids=tuple(self._ids) if self._custom_ids else (),
            **{
                name: np.concatenate([getattr(part, name) for part in self._ledgers])
                for name in ("counter", "cell", "prediction", "confidence")
            },
        )


def _grown(old: Summary, new: Summary) -> Summary:
    """The sum of two summaries where the cells of ``new`` start with those of ``old``."""
    if not old.cells:
        return new
    count = len(old.cells)
    for name in ("records", "counts", "moments", "classes", "embedded", "features"):
        getattr(new, name)[:count] += getattr(old, name)
    return new
