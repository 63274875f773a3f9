"""A batch of inferences with its signals: what the collector makes of one call of ``record``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vigil.arrays import as_column, as_rows
from vigil.catalogue import SCALAR_NAMES
from vigil.errors import ShapeError
from vigil.objects import Objects
from vigil.signals.images import IMAGE_SIGNALS, as_images, image_signals, thumbnails_of
from vigil.signals.predictions import OutputsAre, predictions
from vigil.signals.strips import Strips, strips_of

Task = Literal[
    "classification", "multilabel", "detection", "segmentation", "tracking", "ocr", "embedding"
]
TASKS: tuple[Task, ...] = get_args(Task)
Metadata = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

MAX_TEXT = 512
MAX_ID = 200
MAX_URI = 8192
_COLUMN = {name: column for column, name in enumerate(SCALAR_NAMES)}
_IMAGE_COLUMNS = [_COLUMN[name] for name in IMAGE_SIGNALS]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecordBatch:
    """n inferences of one model version. K classes, d embedding dimensions; both may be 0.

    * ``ids``: n strings; ``custom_ids`` where the caller chose them. ``counter`` (n,) numbers the
      records of one source and boot. ``time_s`` (n,): seconds since 1970.
    * ``signals`` (n, S), columns as ``signal_names``; NaN is missing. The embedding's distance is
      missing until ``summarise`` measures it with a ruler.
    * ``prediction`` (n,): class, -1 where none. ``probabilities`` (n, K), ``embedding`` (n, d).
    * ``metadata``: n mappings of key to value; ``uris``, ``trace_ids``: n strings, "" where none.
    * ``thumbnails`` (n, h, w, c); h = 0 where none are kept.
    * ``task``: what the model does. ``objects``: boxes; None where none were given.
    * ``others``: further embeddings by name, (n, d) each.
    """

    ids: tuple[str, ...]
    counter: NDArray[np.uint64]
    custom_ids: bool
    time_s: NDArray[np.float64]
    version: str
    signals: NDArray[np.float64]
    prediction: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    embedding: NDArray[np.float32]
    metadata: tuple[dict[str, str], ...]
    uris: tuple[str, ...]
    trace_ids: tuple[str, ...]
    thumbnails: NDArray[np.uint8]
    task: Task = "classification"
    signal_names: tuple[str, ...] = SCALAR_NAMES
    objects: Objects | None = None
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[np.int64]) -> RecordBatch:
        """Some of the records, in the given order."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        for name in _TEXTS:
            values = getattr(self, name)
            columns[name] = tuple([values[i] for i in rows.tolist()])
        columns["objects"] = None if self.objects is None else self.objects.take(rows)
        columns["others"] = {name: vectors[rows] for name, vectors in self.others.items()}
        return replace(self, **columns)

    @staticmethod
    def concatenate(batches: Sequence[RecordBatch]) -> RecordBatch:
        """Batches of one version and one shape, end to end; at least one.

        Raises:
            ShapeError: the shapes differ.
        """
        if len(batches) == 1:
            return batches[0]
        columns: dict[str, Any] = {"custom_ids": any(batch.custom_ids for batch in batches)}
        try:
            for name in _ARRAYS:
                columns[name] = np.concatenate([getattr(batch, name) for batch in batches])
            columns["others"] = {
                name: np.concatenate([batch.others[name] for batch in batches])
                for name in batches[0].others
            }
        except (ValueError, KeyError) as error:
            raise ShapeError("batches", expected="one shape", found=str(error)) from None
        if any(batch.objects is not None for batch in batches):
            columns["objects"] = Objects.concatenate(
                [batch.objects or Objects.none(len(batch)) for batch in batches]
            )
        for name in _TEXTS:
            columns[name] = tuple([text for batch in batches for text in getattr(batch, name)])
        return replace(batches[0], **columns)


_TEXTS = ("ids", "metadata", "uris", "trace_ids")
_ARRAYS = (
    "counter",
    "time_s",
    "signals",
    "prediction",
    "probabilities",
    "embedding",
    "thumbnails",
)


def make_batch(
    *,
    ids: Sequence[str],
    counter: NDArray[np.uint64],
    custom_ids: bool,
    time_s: NDArray[np.float64] | float,
    version: str,
    images: Any = None,
    embeddings: Any = None,
    outputs: Any = None,
    detections: Any = None,
    masks: Any = None,
    tracks: Any = None,
    texts: Sequence[str] | None = None,
    signals: Mapping[str, Any] | None = None,
    stages_s: Mapping[str, Any] | None = None,
    latency_s: Any = None,
    metadata: Metadata = None,
    uris: Sequence[str | None] | None = None,
    trace_ids: Sequence[str | None] | None = None,
    outputs_are: OutputsAre = "probabilities",
    thumbnails: bool = False,
    task: Task = "classification",
) -> RecordBatch:
    """Measure the signals of n = len(ids) inferences.

    Args:
        ids: one id per inference.
        counter: (n,) their numbers within this source and boot.
        custom_ids: whether the caller chose the ids.
        time_s: when, seconds since 1970; one number or (n,).
        version: the model version that made them.
        images: (n, h, w), (n, h, w, c) or (n, c, h, w); integers, or floats in [0, 1]. Or what is
            kept of them for their statistics, ``Strips``.
        embeddings: (n, d), or a mapping of name to (n, d): "main", else the first, is the one of
            which the distribution is watched.
        outputs: (n, K), or (n,) integers where only the class is known.
        detections: boxes, as ``vigil.objects.Objects.of`` takes them; ``tracks`` (M,) beside them.
        masks: (n, H, W) integers, the class of each pixel, or a mapping with ``areas`` (n, K).
        texts: n strings.
        signals: signals of the caller's own: name to one number or (n,).
        stages_s: seconds of each stage: name to one number or (n,).
        latency_s: seconds; one number for all, or (n,).
        metadata: one mapping for all, n mappings, or a mapping of key to n values.
        uris, trace_ids: n strings, or None.
        outputs_are: what ``outputs`` hold.
        thumbnails: keep small copies of the images.
        task: what the model does.

    Raises:
        ShapeError: an array of the wrong shape or type. Values that are not finite never raise:
            they are missing.
    """
    n = len(ids)
    if np.shape(counter) != (n,):
        raise ShapeError("counter", expected=f"({n},)", found=str(np.shape(counter)))
    table = np.full((n, len(SCALAR_NAMES)), np.nan)
    small = np.zeros((n, 0, 0, 1), np.uint8)
    if images is not None:
        strips = images if isinstance(images, Strips) else strips_of(as_images(images, n))
        table[:, _IMAGE_COLUMNS] = image_signals(as_images(strips.pixels, n), strips.band)
        if thumbnails:
            small = thumbnails_of(images, n)
    prediction = np.full(n, -1, np.int32)
    probabilities = np.zeros((n, 0), np.float32)
    if outputs is not None:
        found = predictions(outputs, n, outputs_are)
        prediction, probabilities = found.classes, found.probabilities
        table[:, _COLUMN["confidence"]] = found.confidence
        table[:, _COLUMN["entropy"]] = found.entropy
        table[:, _COLUMN["margin"]] = found.margin
    if latency_s is not None:
        latency = as_column(latency_s, "latency_s", n)
        table[:, _COLUMN["latency_s"]] = np.where(
            np.isfinite(latency) & (latency >= 0), latency, np.nan
        )
    embedding, others = _embeddings(embeddings, n)
    objects = None if detections is None else Objects.of(detections, n, tracks)
    return RecordBatch(
        ids=_clean_texts(tuple([str(one)[:MAX_ID] for one in ids])),
        counter=np.asarray(counter, np.uint64),
        custom_ids=custom_ids,
        time_s=as_column(time_s, "time_s", n),
        version=str(version),
        signals=table,
        prediction=prediction,
        probabilities=probabilities,
        embedding=embedding,
        metadata=as_metadata(metadata, n),
        uris=_texts(uris, "uris", n),
        trace_ids=_texts(trace_ids, "trace_ids", n),
        thumbnails=small,
        task=task,
        objects=objects,
        others=others,
    )


def _embeddings(value: Any, n: int) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """The main embedding, and the others by name."""
    if value is None:
        return np.zeros((n, 0), np.float32), {}
    if not isinstance(value, Mapping):
        return as_rows(value, "embeddings", n), {}
    rows = {str(name): as_rows(one, f"embeddings[{name!r}]", n) for name, one in value.items()}
    main = rows.pop("main" if "main" in rows else next(iter(rows), ""), None)
    return np.zeros((n, 0), np.float32) if main is None else main, rows


def as_metadata(metadata: Metadata, n: int) -> tuple[dict[str, str], ...]:
    """Metadata in any of its three forms as n mappings of text to text, cut at 512 characters.

    Raises:
        ShapeError: neither a mapping nor n mappings, or a column of another length.
    """
    if metadata is None:
        return ({},) * n
    if isinstance(metadata, Mapping):
        columns = {
            _text(key): _column(value, f"metadata[{key!r}]", n)
            for key, value in metadata.items()
            if _is_column(value)
        }
        fixed = {
            _text(key): _text(value) for key, value in metadata.items() if not _is_column(value)
        }
        return _from_columns(fixed, columns) if columns else (fixed,) * n
    rows_in: Any = metadata
    if not isinstance(rows_in, Sequence) or len(rows_in) != n:
        raise ShapeError("metadata", expected=f"a mapping or {n} mappings", found=_brief(rows_in))
    if not all(isinstance(row, Mapping) for row in rows_in):
        raise ShapeError("metadata", expected=f"{n} mappings", found="other values")
    shared = {
        id(row): {_text(key): _text(value) for key, value in row.items()}
        for row in {id(row): row for row in rows_in}.values()
    }
    return tuple([shared[id(row)] for row in rows_in])


def _from_columns(
    fixed: dict[str, str], columns: dict[str, list[str]]
) -> tuple[dict[str, str], ...]:
    """One mapping per row; rows that are equal share one."""
    shared: dict[tuple[str, ...], dict[str, str]] = {}
    rows = []
    for values in zip(*columns.values(), strict=True):
        row = shared.get(values)
        if row is None:
            row = shared[values] = {**fixed, **dict(zip(columns, values, strict=True))}
        rows.append(row)
    return tuple(rows)


def _is_column(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray) or hasattr(value, "detach")


def _column(value: Any, what: str, n: int) -> list[str]:
    values = value.tolist() if hasattr(value, "tolist") else list(value)
    if not isinstance(values, list) or len(values) != n:
        raise ShapeError(what, expected=f"{n} values", found=_brief(value))
    if set(map(type, values)) == {str}:
        known = {item: _text(item) for item in set(values)}
        return [known[item] for item in values]
    return [_text(item) for item in values]


def _texts(values: Sequence[str | None] | None, what: str, n: int) -> tuple[str, ...]:
    if values is None:
        return ("",) * n
    if isinstance(values, str | bytes) or len(values) != n:
        raise ShapeError(what, expected=f"{n} strings", found=_brief(values))
    texts = ["" if value is None else str(value) for value in values]
    return _clean_texts(tuple([text if len(text) <= MAX_URI else "" for text in texts]))


def _text(value: Any) -> str:
    return clean_text(str(value)[:MAX_TEXT])


def clean_text(text: str) -> str:
    """The same text without what can't be stored: NUL and lone surrogates become ``?``."""
    if text.isprintable():
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "?")


def _clean_texts(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts if "".join(texts).isprintable() else tuple(map(clean_text, texts))


def _brief(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else repr(value)
