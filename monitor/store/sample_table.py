"""Sampled records as an Arrow table, and back."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vigil.types import WHOLE, Slice
from vigil.values.objects import NO_TRACK, Objects
from vigil.windows.sample import Sample
from vigil.windows.window import Window

_BOX = np.dtype([("box", "<f2", 4), ("score", "<f2"), ("class", "<i4"), ("track", "<i8")])
KINDS = ("uniform", "informative")


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleFilter:
    """Which records are wanted; None wants all. ``start`` is included, ``end`` is not."""

    kind: str = "uniform"
    model: str | None = None
    deployment: str | None = None
    version: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    slice: Slice = WHOLE


def to_table(windows: Sequence[Window]) -> pa.Table | None:
    """One row for each sampled record of each window; None where there is no record."""
    pieces = [
        (window, kind, sample)
        for window in windows
        for kind, sample in zip(KINDS, (window.sample, window.informative), strict=True)
        if len(sample)
    ]
    if not pieces:
        return None
    samples = [sample for _, _, sample in pieces]

    def repeated(values: list[Any]) -> pa.Array:
        index = np.repeat(np.arange(len(pieces), dtype=np.int32), [len(s) for s in samples])
        return pa.DictionaryArray.from_arrays(pa.array(index), pa.array(values))

    def texts(name: str) -> pa.Array:
        return pa.array([text for s in samples for text in getattr(s, name)], pa.string())

    def numbers(name: str) -> pa.Array:
        return pa.array(np.concatenate([getattr(s, name) for s in samples]))

    return pa.table(
        {
            "source": repeated([w.source for w, _, _ in pieces]),
            "boot": repeated([w.boot for w, _, _ in pieces]),
            "sequence": repeated([w.sequence for w, _, _ in pieces]),
            "model": repeated([w.model.name for w, _, _ in pieces]),
            "deployment": repeated([w.model.deployment for w, _, _ in pieces]),
            "kind": repeated([kind for _, kind, _ in pieces]),
            "signal_names": repeated([json.dumps(s.signal_names) for s in samples]),
            "threshold": repeated([float(s.threshold) for s in samples]),
            "thumbnail_shape": repeated([json.dumps(s.thumbnails.shape[1:]) for s in samples]),
            "id": texts("ids"),
            "version": texts("versions"),
            "uri": texts("uris"),
            "trace_id": texts("trace_ids"),
            "metadata": pa.array([json.dumps(m) for s in samples for m in s.metadata]),
            "time_s": numbers("time_s"),
            "prediction": numbers("prediction"),
            "priority": numbers("priority"),
            "weight": numbers("weight"),
            "signals": _lists([s.signals for s in samples]),
            "probabilities": _lists([s.probabilities for s in samples]),
            "embedding": _lists([s.embedding for s in samples]),
            "thumbnail": pa.array([row.tobytes() for s in samples for row in s.thumbnails]),
            "objects": pa.array([one for s in samples for one in _boxes(s)], pa.binary()),
            "picture": pa.array(
                [one or None for s in samples for one in s.pictures or [b""] * len(s)], pa.binary()
            ),
        }
    )


def _boxes(sample: Sample) -> list[bytes | None]:
    """The boxes of each record as bytes; None where the model draws none."""
    if sample.objects is None:
        return [None] * len(sample)
    objects = sample.objects
    packed = np.zeros(len(objects), _BOX)
    packed["box"], packed["score"] = objects.boxes, objects.scores
    packed["class"], packed["track"] = objects.classes, objects.track_ids()
    ends = np.cumsum(objects.counts)[:-1]
    return [part.tobytes() for part in np.split(packed, ends)]


def _objects(rows: list[bytes | None]) -> Objects | None:
    if all(row is None for row in rows):
        return None
    parts = [np.frombuffer(row or b"", _BOX) for row in rows]
    packed = np.concatenate(parts)
    tracks = packed["track"].astype(np.int64)
    return Objects(
        records=len(rows),
        row=np.repeat(np.arange(len(rows), dtype=np.int32), [len(part) for part in parts]),
        boxes=packed["box"].astype(np.float32),
        scores=packed["score"].astype(np.float32),
        classes=packed["class"].astype(np.int32),
        tracks=tracks if (tracks != NO_TRACK).any() else None,
    )


def _lists(arrays: list[NDArray[Any]]) -> pa.Array:
    """Arrays (n_i, d_i) as one column of lists."""
    widths = np.concatenate([np.full(len(a), a.shape[1], np.int32) for a in arrays])
    offsets = np.concatenate([[0], np.cumsum(widths)]).astype(np.int32)
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.array(np.concatenate([a.reshape(-1) for a in arrays]))
    )


def samples_in(table: pa.Table, wanted: SampleFilter) -> Iterator[Sample]:
    """The wanted records of a part, as one sample for each shape that they have."""
    table = table.filter(pa.array(_mask(table, wanted)))
    if not len(table):
        return
    shapes = [
        np.asarray(table.column(name).combine_chunks().value_lengths())
        for name in ("signals", "probabilities", "embedding")
    ]
    labels = zip(
        table.column("signal_names").to_pylist(),
        table.column("thumbnail_shape").to_pylist(),
        *(lengths.tolist() for lengths in shapes),
        strict=True,
    )
    groups: dict[Any, list[int]] = {}
    for row, label in enumerate(labels):
        groups.setdefault(label, []).append(row)
    for (names, thumbnail_shape, *_), rows in groups.items():
        yield _sample(
            table.take(pa.array(rows)), tuple(json.loads(names)), json.loads(thumbnail_shape)
        )


def most_frequent_shape(samples: Sequence[Sample]) -> list[Sample]:
    """The samples whose shape the most records have, so that they can be merged."""
    votes: Counter[Any] = Counter()
    for sample in samples:
        votes[_shape(sample)] += len(sample)
    if not votes:
        return []
    winner = votes.most_common(1)[0][0]
    return [sample for sample in samples if _shape(sample) == winner]


def _shape(sample: Sample) -> tuple[Any, ...]:
    return (
        sample.signal_names,
        sample.probabilities.shape[1:],
        sample.embedding.shape[1:],
        sample.thumbnails.shape[1:],
    )


def _mask(table: pa.Table, wanted: SampleFilter) -> NDArray[np.bool_]:
    mask = np.ones(len(table), dtype=bool)
    for name in ("kind", "model", "deployment", "version"):
        value = getattr(wanted, name)
        if value is not None:
            mask &= np.array([found == value for found in table.column(name).to_pylist()], bool)
    times = table.column("time_s").to_numpy()
    if wanted.start is not None:
        mask &= times >= wanted.start.timestamp()
    if wanted.end is not None:
        mask &= times < wanted.end.timestamp()
    if wanted.slice.pairs:
        metadata = table.column("metadata").to_pylist()
        for row in np.flatnonzero(mask):
            values = json.loads(metadata[row])
            mask[row] = all(values.get(key) == value for key, value in wanted.slice.pairs)
    return mask


def _pictures(table: pa.Table) -> tuple[bytes, ...]:
    """Of each record; () where none is kept."""
    if "picture" not in table.column_names:  # parts from before there were any
        return ()
    found = [one or b"" for one in table.column("picture").to_pylist()]
    return tuple(found) if any(found) else ()


def _sample(table: pa.Table, names: tuple[str, ...], thumbnail_shape: list[int]) -> Sample:
    n = len(table)

    def texts(name: str) -> tuple[str, ...]:
        return tuple(table.column(name).to_pylist())

    def matrix(name: str, kind: Any) -> Any:
        flat = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(flat, kind).reshape(n, len(flat) // n)

    raw = b"".join(table.column("thumbnail").to_pylist())
    return Sample(
        signal_names=names,
        ids=texts("id"),
        versions=texts("version"),
        metadata=tuple(json.loads(text) for text in table.column("metadata").to_pylist()),
        uris=texts("uri"),
        trace_ids=texts("trace_id"),
        time_s=table.column("time_s").to_numpy(),
        prediction=table.column("prediction").to_numpy(),
        priority=table.column("priority").to_numpy(),
        weight=table.column("weight").to_numpy(),
        signals=matrix("signals", np.float32),
        probabilities=matrix("probabilities", np.float16),
        embedding=matrix("embedding", np.float16),
        thumbnails=np.frombuffer(raw, np.uint8).reshape(n, *thumbnail_shape),
        threshold=float(min(table.column("threshold").to_pylist())),
        objects=_objects(table.column("objects").to_pylist())
        if "objects" in table.column_names  # parts from before boxes have no such column
        else None,
        pictures=_pictures(table),
    )
