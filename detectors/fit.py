"""Build a baseline in one pass over its data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detectors.fitting.edges import fit_edges
from detectors.fitting.projection import fit_projection
from detectors.fitting.pseudo import MAX_CELLS, POOL, with_scores
from detectors.fitting.reservoir import Reservoir
from detectors.fitting.spill import Spill
from vigil.baseline import Baseline
from vigil.batch import RecordBatch
from vigil.catalogue import SCALAR_NAMES
from vigil.errors import BaselineError
from vigil.ruler import DISTANCE_SIGNAL, Projection, Ruler
from vigil.sample import Sample
from vigil.summarise import cells_of, sample_of, summarise
from vigil.summary import Layout, Outcomes, Summary
from vigil.types import ModelRef, utc

EMBEDDINGS_FITTED = 5000
MERGE_EVERY = 16

_CONFIDENCE = SCALAR_NAMES.index("confidence")
_DISTANCE = SCALAR_NAMES.index(DISTANCE_SIGNAL)


def fit_baseline(
    *,
    model: ModelRef,
    batches: Iterable[tuple[RecordBatch, NDArray[np.int64] | None]],
    keys: Sequence[str],
    dataset: str,
    created_at: datetime,
    bins: int = 64,
    feature_pairs: int = 128,
    classes: int | None = None,
    class_names: Sequence[str] = (),
    sample_size: int = 2000,
    seed: int = 0,
    author: str = "",
    reason: str = "",
    progress: Callable[[int], None] | None = None,
) -> Baseline:
    """The frozen reference of one model version.

    Args:
        model: what it is the baseline of.
        batches: records known to be good, each with its labels (n,), negative where unknown, or
            None.
        keys: the metadata keys that make the leaf cells, at most four.
        dataset: where the data came from, in words.
        created_at: now, aware.
        bins: B, per scalar signal.
        feature_pairs: D/2 random Fourier features of the embedding.
        classes: number of classes; taken from names, probabilities or predictions where None.
        sample_size: whole records kept for deep checks.
        seed: of the projection and the pseudo-windows: the same data give the same baseline.
        progress: called with the number of records read so far.

    The data are read once. Scalars stay in memory (about 100 bytes a record), embeddings up to 512
    MB, then in a temporary file. The projection is fitted to a uniform sample of 5000 embeddings.

    Raises:
        BaselineError: no records, nothing measured in them, labels of another length, a key that no
            record has, or embeddings of several dimensions.
    """
    if len(keys) > 4 or len(set(keys)) != len(keys):
        raise BaselineError(f"keys: expected at most four different ones, found {list(keys)}")
    rng = np.random.default_rng(seed)
    with Spill() as spill:
        read = _Reader(model, tuple(keys), sample_size, spill, rng)
        for batch, labels in batches:
            read.add(batch, labels)
            if progress is not None:
                progress(read.records)
        read.check()
        projection = None
        fitted = read.embeddings.rows()
        if len(fitted) >= 2:
            projection = fit_projection(fitted, feature_pairs=feature_pairs, rng=rng)
            read.measure_distances(projection)
        values = np.concatenate([batch.signals for batch in read.slim])
        edges, center, scale = fit_edges(values, bins)
        ruler = Ruler(
            model=model,
            layout=Layout(
                keys=tuple(keys),
                signals=SCALAR_NAMES,
                bins=bins,
                classes=read.classes if classes is None else classes,
                features=0 if projection is None else projection.features,
            ),
            edges=edges,
            center=center,
            scale=scale,
            projection=projection,
        )
        if class_names and len(class_names) != ruler.layout.classes:
            raise BaselineError(
                f"class names: expected {ruler.layout.classes}, found {len(class_names)}"
            )
        reference, records = _reference(read, ruler, rng)
    baseline = Baseline(
        model=model,
        dataset=dataset,
        created_at=utc(created_at.timestamp()),
        ruler=ruler,
        reference=reference,
        outcomes=read.outcomes(),
        healthy_scores={},
        sample=_complete(read.sample(), projection),
        class_names=tuple(class_names),
        author=author,
        reason=reason,
    )
    return with_scores(baseline, records, rng)


class _Reader:
    """What is kept of the data while it passes."""

    def __init__(
        self,
        model: ModelRef,
        keys: tuple[str, ...],
        sample_size: int,
        spill: Spill,
        rng: np.random.Generator,
    ) -> None:
        self.model, self.keys, self.sample_size, self.spill = model, keys, sample_size, spill
        self.records, self.classes, self.dimension = 0, 0, 0
        self.slim: list[RecordBatch] = []
        self.embeddings = Reservoir(EMBEDDINGS_FITTED, rng)
        self._samples: list[Sample] = []
        self._outcomes: list[Outcomes] = []
        self._shared: dict[tuple[str | None, ...], dict[str, str]] = {}

    def add(self, batch: RecordBatch, labels: NDArray[np.int64] | None) -> None:
        n = len(batch)
        if labels is not None and np.shape(labels) != (n,):
            raise BaselineError(f"labels: expected ({n},), found {np.shape(labels)}")
        if n == 0:
            return
        d = batch.embedding.shape[1]
        if d and self.dimension and d != self.dimension:
            raise BaselineError(f"embeddings: expected {self.dimension} dimensions, found {d}")
        self.dimension = self.dimension or d
        self.records += n
        self.classes = max(
            self.classes, batch.probabilities.shape[1], int(batch.prediction.max()) + 1
        )
        batch = replace(batch, version=self.model.version, metadata=self._share(batch))
        if self.sample_size:
            self._samples.append(
                sample_of(batch, k=self.sample_size, weighted=False, keep_thumbnails=True)
            )
            if len(self._samples) >= MERGE_EVERY:
                self._samples = [Sample.merge(self._samples, self.sample_size)]
        if d:
            self.embeddings.add(batch.embedding[np.isfinite(batch.embedding).all(axis=1)])
        if labels is not None:
            self._label(batch, np.asarray(labels))
        self.spill.append(batch.embedding)
        empty = ("",) * n
        self.slim.append(
            replace(
                batch,
                ids=empty,
                uris=empty,
                trace_ids=empty,
                embedding=np.zeros((n, 0), np.float32),
                probabilities=np.zeros((n, 0), np.float32),
                thumbnails=np.zeros((n, 0, 0, 1), np.uint8),
            )
        )

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
                batch.signals[use, _CONFIDENCE],
                batch.prediction[use] == labels[use],
            )
        )

    def check(self) -> None:
        if self.records == 0:
            raise BaselineError("a baseline needs records, found none")
        measured = any(
            np.isfinite(batch.signals).any() or (batch.prediction >= 0).any() for batch in self.slim
        )
        if not measured and len(self.embeddings.rows()) == 0:
            raise BaselineError(
                f"nothing was measured in {self.records} records: expected images, outputs or "
                "embeddings with finite values"
            )
        for position, key in enumerate(self.keys):
            if all(values[position] is None for values in self._shared):
                raise BaselineError(
                    f"key {key!r}: expected metadata with it, found no record that has"
                )

    def measure_distances(self, projection: Projection) -> None:
        """Fill in the embedding's distance, which needs the projection."""
        for i, block in enumerate(self.spill):
            usable = np.isfinite(block).all(axis=1) & (block.shape[1] > 0)
            signals = self.slim[i].signals.copy()
            if usable.any():
                signals[usable, _DISTANCE] = projection.distance(block[usable])
            self.slim[i] = replace(self.slim[i], signals=signals)

    def outcomes(self) -> Outcomes | None:
        return Outcomes.total(self._outcomes) if self._outcomes else None

    def sample(self) -> Sample:
        return Sample.merge(self._samples, self.sample_size)


def _reference(
    read: _Reader, ruler: Ruler, rng: np.random.Generator
) -> tuple[Summary, RecordBatch]:
    """The summary of all records, and a uniform sample of them for pseudo-windows."""
    chosen = np.zeros(read.records, bool)
    chosen[rng.permutation(read.records)[:POOL]] = True
    total: Summary | None = None
    kept: list[RecordBatch] = []
    passed = 0
    for slim, block in zip(read.slim, read.spill, strict=True):
        batch = replace(slim, embedding=block)
        known = () if total is None else total.cells
        summary, _, _ = summarise(batch, ruler, max_cells=MAX_CELLS, known=known)
        total = summary if total is None else Summary.total([total, summary])
        picked = np.flatnonzero(chosen[passed : passed + len(batch)])
        if len(picked) and (block.shape[1] == read.dimension):
            kept.append(batch.take(picked))
        passed += len(batch)
    if total is None:
        raise BaselineError("a baseline needs records, found none")
    seen = total.where(total.records > 0)
    return seen, RecordBatch.concatenate(kept) if kept else read.slim[0].take(np.zeros(0, np.int64))


def _complete(sample: Sample, projection: Projection | None) -> Sample:
    """The sample with the embedding's distance, which was not known when it was drawn."""
    if projection is None or sample.embedding.shape[1] != projection.dimension or not len(sample):
        return sample
    vectors = sample.embedding.astype(np.float32)
    usable = np.isfinite(vectors).all(axis=1)
    signals = sample.signals.copy()
    signals[usable, _DISTANCE] = projection.distance(vectors[usable])
    return replace(sample, signals=signals)
