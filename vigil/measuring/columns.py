"""A batch as its ruler counts it: which signals, of records and of boxes, and which classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import CATALOGUE, TASK_SIGNALS, is_per_box, signal_of
from vigil.measuring.batch import RecordBatch
from vigil.signals.declare import MEASURED
from vigil.signals.families import (
    MOST_AREAS,
    area_class,
    area_name,
    distance_name,
    family_signal,
)
from vigil.signals.labels import CHOSEN
from vigil.signals.masks import PRESENT
from vigil.signals.view import View
from vigil.types import Per, Signal, SignalForm, Task
from vigil.windows.ruler import DISTANCE_SIGNAL, Projection, Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import Layout

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Values:
    """``values`` (m, C): C signals, at ``columns`` of the layout, of m records or boxes; ``rows``
    (m,): the record of each."""

    columns: list[int]
    values: Floats
    rows: NDArray[Any]


def signals_of(
    task: Task, classes: int, declared: Iterable[Signal] = (), more: Iterable[str] = ()
) -> tuple[Signal, ...]:
    """The scalars that a model of a task has, in order: the task's, the area of each class that is
    segmented, declared ones, and further ones by name as far as anything is known of them."""
    names = list(TASK_SIGNALS[task])
    if task == "segmentation":
        names += [area_name(label) for label in range(min(classes, MOST_AREAS))]
    own = {one.name: one for one in declared}
    names += [*own, *more]
    found = {name: own.get(name) or signal_of(name) for name in dict.fromkeys(names)}
    return tuple(one for one in found.values() if one is not None and one.form is SignalForm.SCALAR)


def per_box_of(layout: Layout) -> NDArray[np.bool_]:
    """Which signals of a layout have a value for each box and not for each record, (S,)."""
    own = {one.name: one.per == Per.BOX for one in layout.declared}
    return np.array([own.get(name, is_per_box(name)) for name in layout.signals], bool)


def described(signals: Iterable[Signal]) -> tuple[Signal, ...]:
    """Those that vigil does not know by their name: a layout says what they mean."""
    return tuple(
        one for one in signals if one.name not in CATALOGUE and family_signal(one.name) is None
    )


def per_record_and_box(batch: RecordBatch, names: Sequence[str]) -> tuple[Values, Values]:
    """The signals of a layout that each record has, and those that each box has.

    A signal that the batch lacks is missing for every record.
    """
    boxes = [i for i, name in enumerate(names) if _of_boxes(batch, name)]
    records = [i for i in range(len(names)) if i not in boxes]
    if tuple(names) == batch.signal_names:
        values = batch.signals
    else:
        values = record_values(batch, [names[i] for i in records])
    items = np.zeros((0, len(boxes)))
    of_box = np.zeros(0, np.int32)
    if boxes and batch.objects is not None:
        items = np.full((len(batch.objects), len(boxes)), np.nan)
        for place, i in enumerate(boxes):
            if names[i] in batch.item_names:
                items[:, place] = batch.items[:, batch.item_names.index(names[i])]
        of_box = batch.objects.row
    return (
        Values(columns=records, values=values, rows=np.arange(len(batch))),
        Values(columns=boxes, values=items, rows=of_box),
    )


def _of_boxes(batch: RecordBatch, name: str) -> bool:
    return name not in batch.signal_names and (name in batch.item_names or is_per_box(name))


def record_values(batch: RecordBatch, names: Sequence[str]) -> Floats:
    """Signals of each record by name, (n, S); NaN where the batch lacks one."""
    out = np.full((len(batch), len(names)), np.nan)
    where = {name: i for i, name in enumerate(batch.signal_names)}
    classes = batch.probabilities.shape[1]
    for i, name in enumerate(names):
        label = area_class(name)
        if name in where:
            out[:, i] = batch.signals[:, where[name]]
        elif label is not None and batch.task == "segmentation" and classes:
            known = np.isfinite(batch.probabilities[:, 0])
            share = batch.probabilities[:, label] if label < classes else 0.0
            out[:, i] = np.where(known, share, np.nan)
    return out


def completed(
    batch: RecordBatch,
    ruler: Ruler,
    usable: NDArray[np.bool_],
    embeddings: NDArray[np.float32],
) -> RecordBatch:
    """The batch with a column for each signal that its ruler counts of records, distances included.

    Args:
        batch: n records.
        ruler: what it is measured with.
        usable: which records have an embedding of the ruler's dimension (n,); ``embeddings`` those.
    """
    lacking = [
        name
        for name in ruler.layout.signals
        if name not in batch.signal_names and not _of_boxes(batch, name)
    ]
    filled = ruler.projection is not None and len(embeddings)
    if not lacking and not filled and not ruler.others:
        return batch
    names = (*batch.signal_names, *lacking)
    signals = batch.signals.copy()
    if lacking:
        signals = np.concatenate([signals, record_values(batch, lacking)], axis=1)
    if ruler.projection is not None and len(embeddings) and DISTANCE_SIGNAL in names:
        signals[usable, names.index(DISTANCE_SIGNAL)] = ruler.projection.distance(embeddings)
    for name, projection in ruler.others.items():
        column = distance_name(name)
        if column in names and name in batch.others:
            signals[:, names.index(column)] = distances(batch.others[name], projection)
    return replace(batch, signals=signals, signal_names=names)


def complete_sample(sample: Sample, ruler: Ruler) -> Sample:
    """The sample with what its ruler counts of each record and its columns can tell: the distance
    of its embeddings, and the area of each class."""
    layout, projection = ruler.layout, ruler.projection
    label_of = {name: area_class(name) for name in layout.signals if not is_per_box(name)}
    areas = {name: label for name, label in label_of.items() if label is not None}
    if areas and layout.task == "segmentation":
        sample = sample.with_signals(tuple(dict.fromkeys((*sample.signal_names, *areas))))
    names, signals = sample.signal_names, sample.signals.copy()
    for name, label in areas.items():
        if label < sample.probabilities.shape[1] and layout.task == "segmentation":
            signals[:, names.index(name)] = sample.probabilities[:, label]
    if projection is not None and DISTANCE_SIGNAL in names:
        vectors = sample.embedding.astype(np.float32)
        found = distances(vectors, projection)
        known = np.isfinite(found)
        signals[known, names.index(DISTANCE_SIGNAL)] = found[known]
    return replace(sample, signals=signals)


def sample_values(sample: Sample, name: str) -> Floats | None:
    """A signal of each record of a sample, (n,); of boxes the mean over the record's. None where
    the sample can't tell."""
    if name in sample.signal_names:
        return sample.signals[:, sample.signal_names.index(name)].astype(np.float64)
    function = MEASURED.get(name)
    if sample.objects is None or function is None or not is_per_box(name):
        return None
    values = function(View(n=len(sample), objects=sample.objects))
    if values is None:
        return None
    known = np.isfinite(values)
    row = sample.objects.row[known]
    total = np.bincount(row, weights=np.asarray(values)[known], minlength=len(sample))
    counts = np.bincount(row, minlength=len(sample))
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def distances(vectors: NDArray[np.float32], projection: Projection) -> Floats:
    """Whitened distance of each row (n, d), NaN where it is not finite or of another dimension."""
    out = np.full(len(vectors), np.nan)
    if vectors.shape[1] == projection.dimension:
        fine = np.isfinite(vectors).all(axis=1)
        out[fine] = projection.distance(vectors[fine])
    return out


def counted_classes(
    batch: RecordBatch, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The classes that a batch counts for: records (p,) and their classes (p,), K for any other.

    One a record; each predicted label; the class of each box; each class that a mask shows. A
    record of which no label or mask is known counts as any other class.
    """
    everyone = np.arange(len(batch), dtype=np.int64)
    if batch.task in ("detection", "tracking"):
        if batch.objects is None:
            return everyone[:0], everyone[:0]
        rows, found = batch.objects.row.astype(np.int64), batch.objects.classes.astype(np.int64)
    elif batch.task in ("multilabel", "segmentation"):
        least = CHOSEN if batch.task == "multilabel" else PRESENT
        if not batch.probabilities.shape[1]:
            return everyone, np.full(len(batch), classes)
        rows, found = np.nonzero(batch.probabilities >= least)
        unknown = np.flatnonzero(np.isnan(batch.probabilities[:, 0]))
        rows = np.concatenate([rows, unknown])
        found = np.concatenate([found, np.full(len(unknown), -1)])
    else:
        rows, found = everyone, batch.prediction.astype(np.int64)
    return rows, np.where((found >= 0) & (found < classes), found, classes)
