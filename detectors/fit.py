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
from detectors.fitting.reader import MAIN, Reader
from vigil.errors import BaselineError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.columns import complete_sample, described, signals_of
from vigil.measuring.own_signals import resolved
from vigil.measuring.summarise import summarise
from vigil.types import ModelRef, Signal, utc
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler
from vigil.windows.summary import Layout, Summary


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
    signals: Sequence[str | Signal] = (),
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
        signals: further signals to count though the data have none of them (service signals such as
            ``batch_size`` or ``stage_decode_s``); what the data have is counted anyway.
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
    read = Reader(model, tuple(keys), sample_size, rng)
    try:
        for batch, labels in batches:
            read.add(batch, labels)
            if progress is not None:
                progress(read.records)
        read.check()
        ruler = _ruler(read, bins, feature_pairs, classes, resolved(signals), rng)
        if class_names and len(class_names) != ruler.layout.classes:
            raise BaselineError(
                f"class names: expected {ruler.layout.classes}, found {len(class_names)}"
            )
        reference, records = _reference(read, ruler, rng)
    finally:
        read.close()
    baseline = Baseline(
        model=model,
        dataset=dataset,
        created_at=utc(created_at.timestamp()),
        ruler=ruler,
        reference=reference,
        outcomes=read.outcomes(),
        healthy_scores={},
        sample=complete_sample(read.sample(), ruler),
        class_names=tuple(class_names),
        author=author,
        reason=reason,
    )
    return with_scores(baseline, records, rng)


def _ruler(
    read: Reader,
    bins: int,
    feature_pairs: int,
    classes: int | None,
    own: Sequence[Signal],
    rng: np.random.Generator,
) -> Ruler:
    """Projections first: the distances are signals, and signals have edges."""
    projections = {}
    for name, kept in read.embeddings.items():
        fitted = kept.rows()
        if len(fitted) >= 2:
            pairs = feature_pairs if name == MAIN else 0
            projections[name] = fit_projection(fitted, feature_pairs=pairs, rng=rng)
            read.measure_distances(name, projections[name])
    read.conform()
    projection = projections.pop(MAIN, None)
    count = read.classes if classes is None else classes
    task = read.task or "classification"
    signals = signals_of(task, count, own, read.measured_names())
    edges, center, scale = fit_edges(signals, read.columns(signals), bins)
    return Ruler(
        model=read.model,
        layout=Layout(
            keys=read.keys,
            signals=tuple(one.name for one in signals),
            bins=bins,
            classes=count,
            features=0 if projection is None else projection.features,
            task=task,
            declared=described(signals),
        ),
        edges=edges,
        center=center,
        scale=scale,
        projection=projection,
        schema=read.schema.schema(),
        others=projections,
    )


def _reference(read: Reader, ruler: Ruler, rng: np.random.Generator) -> tuple[Summary, RecordBatch]:
    """The summary of all records, and a uniform sample of them for pseudo-windows."""
    chosen = np.zeros(read.records, bool)
    chosen[rng.permutation(read.records)[:POOL]] = True
    total: Summary | None = None
    kept: list[RecordBatch] = []
    passed = 0
    for slim, block in zip(read.slim, read.spills[MAIN], strict=True):
        batch = replace(slim, embedding=block)
        known = () if total is None else total.cells
        summary, _, _ = summarise(batch, ruler, max_cells=MAX_CELLS, known=known)
        total = summary if total is None else Summary.total([total, summary])
        picked = np.flatnonzero(chosen[passed : passed + len(batch)])
        if len(picked) and block.shape[1] == read.dimensions.get(MAIN, 0):
            kept.append(batch.take(picked))
        passed += len(batch)
    if total is None:
        raise BaselineError("a baseline needs records, found none")
    seen = total.where(total.records > 0)
    return seen, RecordBatch.concatenate(kept) if kept else read.slim[0].take(np.zeros(0, np.int64))
