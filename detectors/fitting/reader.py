"""What is kept of a baseline's data while it passes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors.fitting.pseudo import MAX_CELLS
from detectors.fitting.reservoir import Reservoir
from detectors.fitting.spill import Spill
from vigil.errors import BaselineError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.columns import distances, record_values
from vigil.measuring.conform import Shape, widened
from vigil.measuring.summarise import cells_of, sample_of
from vigil.quality.learn import SchemaLearner
from vigil.signals.families import distance_name
from vigil.types import ModelRef, Signal, Task
from vigil.windows.ruler import DISTANCE_SIGNAL, Projection
from vigil.windows.sample import Sample
from vigil.windows.summary import Outcomes

EMBEDDINGS_FITTED = 5000
MERGE_EVERY = 16
MAIN = ""
"""Stands for the main embedding among those with a name."""

Floats = NDArray[np.float64]


class Reader:
    """Batches without what is large (``slim``), embeddings beside them in ``spills`` by name, a
    uniform sample, and labels.

    Args:
        model: whose baseline it is.
        keys: the metadata keys of its cells.
        sample_size: whole records kept.
        rng: draws the embeddings that the projections are fitted to.
    """

    def __init__(
        self,
        model: ModelRef,
        keys: tuple[str, ...],
        sample_size: int,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.keys, self.sample_size = model, keys, sample_size
        self.records, self.classes = 0, 0
        self.task: Task | None = None
        self.slim: list[RecordBatch] = []
        self.spills: dict[str, Spill] = {MAIN: Spill()}
        self.embeddings: dict[str, Reservoir] = {MAIN: Reservoir(EMBEDDINGS_FITTED, rng)}
        self.dimensions: dict[str, int] = {}
        self.schema = SchemaLearner()
        self._rng = rng
        self._shape = Shape()
        self._samples: list[Sample] = []
        self._outcomes: list[Outcomes] = []
        self._shared: dict[tuple[str | None, ...], dict[str, str]] = {}

    def close(self) -> None:
        for spill in self.spills.values():
            spill.close()

    def add(self, batch: RecordBatch, labels: NDArray[np.int64] | None) -> None:
        """Keep a batch with its labels.

        Raises:
            BaselineError: labels of another length, embeddings of several dimensions or tasks.
        """
        n = len(batch)
        if labels is not None and np.shape(labels) != (n,):
            raise BaselineError(f"labels: expected ({n},), found {np.shape(labels)}")
        if n == 0:
            return
        if self.task not in (None, batch.task):
            raise BaselineError(f"task: expected {self.task} throughout, found {batch.task}")
        self.task = batch.task
        self.records += n
        self.schema.add(batch)
        batch = replace(batch, version=self.model.version, metadata=self._share(batch))
        batch = self._widen(batch)
        if self.sample_size:
            self._samples.append(
                sample_of(batch, k=self.sample_size, weighted=False, keep_thumbnails=True)
            )
            if len(self._samples) >= MERGE_EVERY:
                self._samples = [Sample.merge(self._samples, self.sample_size)]
        self._embed(batch)
        if labels is not None:
            self._label(batch, np.asarray(labels))
        empty = ("",) * n
        several = batch.task in ("multilabel", "segmentation")
        self.slim.append(
            replace(
                batch,
                ids=empty,
                uris=empty,
                trace_ids=empty,
                embedding=np.zeros((n, 0), np.float32),
                others={},
                probabilities=batch.probabilities[:, : None if several else 0],
                thumbnails=np.zeros((n, 0, 0, 1), np.uint8),
            )
        )

    def _widen(self, batch: RecordBatch) -> RecordBatch:
        """Classes as far as they are seen; masks of all batches in as many columns."""
        drawn = -1 if batch.objects is None else int(batch.objects.classes.max(initial=-1))
        before = self.classes
        self.classes = max(
            before, batch.probabilities.shape[1], int(batch.prediction.max()) + 1, drawn + 1
        )
        if batch.task != "segmentation" or not batch.probabilities.shape[1]:
            return batch
        if self.classes > before:
            self._samples = [
                replace(one, probabilities=widened(one.probabilities, self.classes))
                for one in self._samples
            ]
        return replace(batch, probabilities=widened(batch.probabilities, self.classes))

    def _embed(self, batch: RecordBatch) -> None:
        vectors = {MAIN: batch.embedding, **batch.others}
        for name in vectors:
            if name not in self.spills:
                self.spills[name] = Spill()
                self.embeddings[name] = Reservoir(EMBEDDINGS_FITTED, self._rng)
                for slim in self.slim:
                    self.spills[name].append(np.zeros((len(slim), 0), np.float32))
        for name, spill in self.spills.items():
            block = vectors.get(name, np.zeros((len(batch), 0), np.float32))
            d = block.shape[1]
            if d and self.dimensions.setdefault(name, d) != d:
                raise BaselineError(
                    f"embeddings: expected {self.dimensions[name]} dimensions, found {d}"
                )
            if d:
                self.embeddings[name].add(block[np.isfinite(block).all(axis=1)])
            spill.append(block)

    def _share(self, batch: RecordBatch) -> tuple[dict[str, str], ...]:
        rows = []
        for metadata in batch.metadata:
            values = tuple(metadata.get(key) for key in self.keys)
            known = self._shared.get(values)
            if known is None:
                pairs = zip(self.keys, values, strict=True)
                known = {key: value for key, value in pairs if value is not None}
                self._shared[values] = known
            rows.append(known)
        return tuple(rows)

    def _label(self, batch: RecordBatch, labels: NDArray[np.int64]) -> None:
        use = np.isfinite(labels) & (labels >= 0) & (batch.prediction >= 0)
        cells, rows = cells_of(batch, self.keys, max_cells=MAX_CELLS)
        self._outcomes.append(
            Outcomes.of(
                self.keys,
                [cells[row] for row in rows[use].tolist()],
                batch.column("confidence")[use],
                batch.prediction[use] == labels[use],
            )
        )

    def check(self) -> None:
        """Raises:
        BaselineError: nothing to build on, or a key that no record has.
        """
        if self.records == 0:
            raise BaselineError("a baseline needs records, found none")
        measured = any(
            np.isfinite(batch.signals).any() or (batch.prediction >= 0).any() for batch in self.slim
        )
        if not measured and not any(len(one.rows()) for one in self.embeddings.values()):
            raise BaselineError(
                f"nothing was measured in {self.records} records: expected images, outputs or "
                "embeddings with finite values"
            )
        for position, key in enumerate(self.keys):
            if all(values[position] is None for values in self._shared):
                raise BaselineError(
                    f"key {key!r}: expected metadata with it, found no record that has"
                )

    def measured_names(self) -> list[str]:
        """Signals of which there is any value, of records and of boxes."""
        found: dict[str, None] = {}
        for batch in self.slim:
            for names, values in (
                (batch.signal_names, batch.signals),
                (batch.item_names, batch.items),
            ):
                if set(names) <= set(found):
                    continue
                seen = np.atleast_1d(np.isfinite(values).any(axis=0)).tolist()
                found |= {name: None for name, one in zip(names, seen, strict=True) if one}
        return list(found)

    def columns(self, signals: Iterable[Signal]) -> Iterable[Floats]:
        """All values of each signal, of the records or of their boxes."""
        of_boxes = {name for batch in self.slim for name in batch.item_names}
        for one in signals:
            if one.name not in of_boxes:
                parts = [record_values(batch, [one.name])[:, 0] for batch in self.slim]
            else:
                parts = [
                    batch.items[:, batch.item_names.index(one.name)]
                    for batch in self.slim
                    if one.name in batch.item_names
                ]
            yield np.concatenate(parts)

    def conform(self) -> None:
        """Give all batches the same columns."""
        for batch in self.slim:
            names = dict.fromkeys((*self._shape.names, *batch.signal_names))
            items = dict.fromkeys((*self._shape.item_names, *batch.item_names))
            if (len(names), len(items)) != (len(self._shape.names), len(self._shape.item_names)):
                self._shape = Shape(names=tuple(names), item_names=tuple(items))
        self.slim = [self._shape.named(self._wide(batch)) for batch in self.slim]

    def _wide(self, batch: RecordBatch) -> RecordBatch:
        if batch.task != "segmentation":
            return batch
        return replace(batch, probabilities=widened(batch.probabilities, self.classes))

    def measure_distances(self, name: str, projection: Projection) -> None:
        """Fill in the distance of an embedding, which needs its projection."""
        signal = DISTANCE_SIGNAL if name == MAIN else distance_name(name)
        for i, (slim, block) in enumerate(zip(self.slim, self.spills[name], strict=True)):
            names, signals = slim.signal_names, slim.signals
            if signal not in names:
                names = (*names, signal)
                signals = np.concatenate([signals, np.full((len(slim), 1), np.nan)], axis=1)
            signals = signals.copy()
            found = distances(block, projection)
            known = np.isfinite(found)
            signals[known, names.index(signal)] = found[known]
            self.slim[i] = replace(slim, signals=signals, signal_names=names)

    def outcomes(self) -> Outcomes | None:
        return Outcomes.total(self._outcomes) if self._outcomes else None

    def sample(self) -> Sample:
        return Sample.merge(self._samples, self.sample_size)
