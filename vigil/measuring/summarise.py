"""From a batch of records to what a window keeps of it: sums per leaf cell, and a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vigil.measuring.batch import RecordBatch
from vigil.measuring.columns import completed, counted_classes, per_record_and_box
from vigil.split import SHADOW
from vigil.values.png import to_png
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample, unit_hashes
from vigil.windows.summary import FEATURE_UNIT, MISSING, OTHER, Ints, Summary

MAX_CELLS = 256
MAX_SAMPLE_CLASSES = 1000
LEAST_WEIGHT = 0.05

_DOUBT = (
    ("entropy", False),
    ("label_entropy", False),
    ("object_score_max", True),
    ("text_confidence", True),
)

Cell = tuple[str, ...]


def summarise(
    batch: RecordBatch,
    ruler: Ruler,
    *,
    max_cells: int = MAX_CELLS,
    known: Sequence[Cell] = (),
) -> tuple[Summary, NDArray[np.int64], RecordBatch]:
    """The batch as sums per leaf cell, measured with ``ruler``.

    Args:
        batch: n records.
        ruler: its layout says which keys, signals, bins, classes and features are counted.
        max_cells: at most so many cells; records beyond go to the cell that is ``OTHER`` in every
            key. A record without a key has ``MISSING`` there.
        known: cells that come first in the summary, in this order, whether they occur or not: so
            that parts of one window continue each other.

    Returns:
        The summary, the row of its cell for each record (n,), and the batch with every signal of
        each record that the ruler counts, the embedding's distance too.
    """
    layout = ruler.layout
    usable, embeddings = _usable_embeddings(batch, ruler)
    batch = completed(batch, ruler, usable, embeddings)
    cells, rows = cells_of(batch, layout.keys, max_cells=max_cells, known=known)
    c, k = len(cells), layout.classes + 1
    counts, moments = _scalars(batch, ruler, rows, c)
    class_rows, classes = counted_classes(batch, layout.classes)
    features = np.zeros((c, layout.features), np.int64)
    if ruler.projection is not None and len(embeddings):
        fixed = np.rint(ruler.projection.transform(embeddings) * np.float32(FEATURE_UNIT))
        features = _sums(fixed.astype(np.int64), rows[usable], c)
    summary = Summary(
        layout=layout,
        cells=cells,
        records=np.bincount(rows, minlength=c).astype(np.int64),
        counts=counts,
        moments=moments,
        classes=np.bincount(rows[class_rows] * k + classes, minlength=c * k)
        .reshape(c, k)
        .astype(np.int64, copy=False),
        embedded=np.bincount(rows[usable], minlength=c).astype(np.int64),
        features=features,
    )
    return summary, rows, batch


def _scalars(
    batch: RecordBatch, ruler: Ruler, rows: NDArray[np.int64], c: int
) -> tuple[Ints, Ints]:
    """Counts (C, S, B + 1) and moments (C, S, 2): of each record, and of each box where a signal
    has a value for each box."""
    names, b = ruler.layout.signals, ruler.layout.bins + 1
    counts = np.zeros((c, len(names), b), np.int64)
    moments = np.zeros((c, len(names), 2), np.int64)
    for per in per_record_and_box(batch, names):
        own, s = rows[per.rows], len(per.columns)
        if not s:
            continue
        spots = (own[:, np.newaxis] * s + np.arange(s)) * b
        spots += ruler.digitise(per.values, per.columns)
        mine = np.bincount(spots.reshape(-1), minlength=c * s * b).reshape(c, s, b)
        moved = ruler.standardise(per.values, per.columns)
        pairs = np.stack([moved, moved * moved], axis=2).reshape(len(own), 2 * s)
        sums = _sums(pairs, own, c).reshape(c, s, 2)
        if s == len(names):
            return mine.astype(np.int64, copy=False), sums
        counts[:, per.columns], moments[:, per.columns] = mine, sums
    return counts, moments


def cells_of(
    batch: RecordBatch, keys: Sequence[str], *, max_cells: int, known: Sequence[Cell] = ()
) -> tuple[tuple[Cell, ...], NDArray[np.int64]]:
    """The cells, ``known`` first and then in order of appearance, and each record's row."""
    if not keys:
        return ((),), np.zeros(len(batch), np.int64)
    where: dict[Cell, int] = {cell: row for row, cell in enumerate(known)}
    other = (OTHER,) * len(keys)
    # Records with equal metadata mostly share one mapping, so each mapping is looked at once.
    distinct = {id(metadata): metadata for metadata in batch.metadata}
    row_of: dict[int, int] = {}
    for identity, metadata in distinct.items():
        cell = tuple([_value(metadata.get(key)) for key in keys])
        if cell not in where and len(where) >= max_cells - (other not in where):
            cell = other
        row_of[identity] = where.setdefault(cell, len(where))
    rows = map(row_of.__getitem__, map(id, batch.metadata))
    return tuple(where), np.fromiter(rows, np.int64, len(batch))


def _value(value: str | None) -> str:
    # A slice is written "key=value & key=value", so a value can't hold the separator.
    return MISSING if value is None else value.replace(" & ", " and ")


def _usable_embeddings(
    batch: RecordBatch, ruler: Ruler
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which records have a finite embedding of the ruler's dimension, and those embeddings.

    Without a projection any finite embedding counts.
    """
    dimension = batch.embedding.shape[1]
    if dimension == 0 or (ruler.projection is not None and dimension != ruler.projection.dimension):
        return np.zeros(len(batch), bool), batch.embedding[:0]
    usable = np.asarray(np.isfinite(batch.embedding).all(axis=1), bool)
    return usable, batch.embedding if usable.all() else batch.embedding[usable]


def _sums(values: Ints, rows: NDArray[np.int64], cells: int) -> Ints:
    """Sums of the rows of ``values`` (n, m) per cell, (cells, m); exact."""
    out = np.zeros((cells, values.shape[1]), np.int64)
    if len(rows):
        order = np.argsort(rows, kind="stable")
        ordered = rows[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        out[ordered[starts]] = np.add.reduceat(values[order], starts, axis=0)
    return out


def sampling_hashes(ids: Sequence[str]) -> NDArray[np.float64]:
    """``unit_hash`` of every id, (n,), by which records are sampled. A shadow's record has that of
    its input, so that both versions sample the same inputs; without an id it is in no sample."""
    hashes = unit_hashes(one.removeprefix(SHADOW) for one in ids)
    if "" in ids:
        hashes[[not one for one in ids]] = np.inf
    return hashes


def sample_of(
    batch: RecordBatch,
    *,
    k: int,
    weighted: bool,
    keep_thumbnails: bool,
    hashes: NDArray[np.float64] | None = None,
) -> Sample:
    """A sample of at most k records of the batch, each id once; those without an id are in none.

    Args:
        batch: n records.
        k: size; 0 keeps none.
        weighted: whether uncertain records stay more often: weight 0.05 + doubt in [0, 1], instead
            of 1 for all. Doubt is the entropy (as a share of its maximum; of a label, where there
            are several), else what the highest score or the characters' confidence lack of 1; 0
            where missing.
        keep_thumbnails: whether the sample holds the batch's thumbnails.
        hashes: ``sampling_hashes`` of its ids where it is known already.

    More than 1000 classes are not kept: then the sample has no probabilities.
    """
    unit = sampling_hashes(batch.ids) if hashes is None else hashes
    weight = np.ones(len(batch))
    if weighted:
        weight = LEAST_WEIGHT + _doubt(batch)
    priority = unit / weight
    order = np.argsort(priority, kind="stable")
    first = _first_of_each(batch.ids, order)
    kept, left_out = first[:k], first[k : k + 1]
    chosen = batch.take(kept)
    n, classes = chosen.probabilities.shape
    return Sample(
        signal_names=chosen.signal_names,
        ids=chosen.ids,
        versions=(batch.version,) * n,
        metadata=chosen.metadata,
        uris=chosen.uris,
        trace_ids=chosen.trace_ids,
        time_s=chosen.time_s,
        prediction=chosen.prediction,
        probabilities=_half(chosen.probabilities[:, : classes * (classes <= MAX_SAMPLE_CLASSES)]),
        embedding=_half(chosen.embedding),
        signals=chosen.signals.astype(np.float32),
        priority=priority[kept],
        weight=weight[kept],
        thumbnails=chosen.thumbnails if keep_thumbnails else chosen.thumbnails[:, :0, :0],
        threshold=float(priority[left_out[0]]) if len(left_out) else float("inf"),
        objects=None if chosen.objects is None else chosen.objects.limited(),
        pictures=tuple(b"" if one is None else to_png(one) for one in chosen.whole),
    )


def _doubt(batch: RecordBatch) -> NDArray[np.float64]:
    for name, flip in _DOUBT:
        if name in batch.signal_names:
            value = batch.column(name)
            return np.clip(np.nan_to_num(1.0 - value if flip else value, nan=0.0), 0.0, 1.0)
    return np.zeros(len(batch))


def _first_of_each(ids: tuple[str, ...], order: NDArray[np.int64]) -> NDArray[np.int64]:
    if "" in ids:  # withheld: who is on it has not agreed to be kept
        order = order[[bool(ids[i]) for i in order.tolist()]]
    if len(set(ids)) == len(ids):
        return order
    seen: dict[str, int] = {}
    for i in order:
        seen.setdefault(ids[i], int(i))
    return np.array(list(seen.values()), np.int64)


def _half(values: NDArray[np.float32]) -> NDArray[np.float16]:
    finite = np.clip(values, -65504.0, 65504.0)
    return np.asarray(finite, np.float16)
