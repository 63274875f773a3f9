"""A batch of inferences with its signals: what the collector makes of one call of ``record``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import SCALAR_NAMES
from vigil.errors import ShapeError
from vigil.measuring.own_signals import own_numbers
from vigil.measuring.table import measured
from vigil.quality.frames import Frames, pixel_range
from vigil.quality.schema import ImageForm
from vigil.signals.following import Follower
from vigil.signals.images import as_images, thumbnails_of, whole_of
from vigil.signals.labels import labels_of
from vigil.signals.masks import areas_of
from vigil.signals.predictions import OutputsAre, predictions
from vigil.signals.strips import Strips, strips_of
from vigil.signals.view import View
from vigil.types import Signal, Task
from vigil.values import files
from vigil.values.arrays import as_column, embeddings_of
from vigil.values.objects import Objects
from vigil.values.texts import Metadata, as_metadata, clean_texts, texts_of

MAX_ID = 200


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
    * ``task``: what the model does. ``objects``: boxes; None where none were given. ``items``
      (M, P): signals of each of the M boxes, columns as ``item_names``.
    * ``others``: further embeddings by name, (n, d) each.
    * ``whole``: n pictures (h, w, c) uint8, or None where a record has none; () where none has.
    * ``flags`` (n,): data faults of each record (``vigil.quality.kinds``). ``image_form``: of the
      images as they were handed in; None where none were. ``pixel_range`` (n, 2): lowest and
      highest value of images of floats, else NaN.
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
    item_names: tuple[str, ...] = ()
    items: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    whole: tuple[NDArray[np.uint8] | None, ...] = ()
    flags: NDArray[np.uint32]
    image_form: ImageForm | None = None
    pixel_range: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)

    def column(self, name: str) -> NDArray[np.float64]:
        """A signal of each record, (n,); NaN where it was not measured."""
        if name in self.signal_names:
            return self.signals[:, self.signal_names.index(name)]
        return np.full(len(self), np.nan)

    def take(self, rows: NDArray[np.int64]) -> RecordBatch:
        """Some of the records, in the given order."""
        columns: dict[str, Any] = {name: getattr(self, name)[rows] for name in _ARRAYS}
        for name in _TEXTS:
            values = getattr(self, name)
            columns[name] = tuple([values[i] for i in rows.tolist()])
        if self.objects is not None:
            columns["objects"] = self.objects.take(rows)
            columns["items"] = self.items[self.objects.places(rows)[0]]
        columns["others"] = {name: vectors[rows] for name, vectors in self.others.items()}
        columns["whole"] = files.some(self.whole, rows.tolist())
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
            for name in (*_ARRAYS, "items"):
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
        columns["whole"] = files.joined([(batch.whole, len(batch)) for batch in batches], None)
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
    "flags",
    "pixel_range",
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
    batch_size: Any = None,
    outputs_are: OutputsAre = "probabilities",
    thumbnails: bool = False,
    pictures: bool = False,
    task: Task = "classification",
    own: Sequence[Signal] = (),
    follower: Follower | None = None,
    stream_keys: Sequence[str] = (),
    refused: Counter[str] | None = None,
    frames: Frames | None = None,
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
        outputs: (n, K), or (n,) integers where only the class is known. Multi-label: (n, K)
            probabilities of each label.
        detections: boxes, as ``vigil.values.objects.Objects.of`` takes them; ``tracks`` (M,) beside
            them.
        masks: (n, H, W) integers, the class of each pixel, or a mapping with ``areas`` (n, K).
        texts: n strings.
        signals: signals of the caller's own: name to one number or (n,); of texts also
            ``character_confidence``, n arrays.
        stages_s: seconds of each stage: name to one number or (n,).
        latency_s: seconds; one number for all, or (n,).
        metadata: one mapping for all, n mappings, or a mapping of key to n values.
        uris, trace_ids: n strings, or None.
        outputs_are: what ``outputs`` hold.
        thumbnails: keep small copies of the images.
        pictures: keep whole the images that come picked with their strips.
        task: what the model does.
        own: signals that the caller declared, beyond those that ``@signal`` knows.
        batch_size: records of the call that each was in.
        follower: what tracks are followed with; frames of one batch only where None.
        stream_keys: the metadata keys that tell streams of frames (cameras) apart.
        refused: counts what was not taken, by reason.
        frames: knows the last frames of each camera; without it only black frames are flagged.

    Raises:
        ShapeError: an array of the wrong shape or type. Values that are not finite never raise:
            they are missing.
    """
    n = len(ids)
    if np.shape(counter) != (n,):
        raise ShapeError("counter", expected=f"({n},)", found=str(np.shape(counter)))
    refused = Counter() if refused is None else refused
    rows = as_metadata(metadata, n)
    embedding, others = embeddings_of(embeddings, n)
    given: dict[str, Any] = {"embedding": embedding if embedding.shape[1] else None}
    small = np.zeros((n, 0, 0, 1), np.uint8)
    form, span = None, np.full((n, 2), np.nan, np.float32)
    if images is not None:
        strips = images if isinstance(images, Strips) else strips_of(as_images(images, n))
        pixels = as_images(strips.pixels, n)
        given |= {"images": pixels, "band": strips.band, "frames": frames}
        form = ImageForm(strips.height, strips.width, pixels.shape[3], pixels.dtype.name)
        span = pixel_range(pixels)
        if thumbnails:
            small = thumbnails_of(images, n)
    prediction = np.full(n, -1, np.int32)
    probabilities = np.zeros((n, 0), np.float32)
    if outputs is not None and task == "multilabel":
        labels = given["labels"] = labels_of(outputs, n, outputs_are)
        prediction, probabilities = labels.classes, labels.probabilities
    elif outputs is not None:
        found = given["predictions"] = predictions(outputs, n, outputs_are)
        prediction, probabilities = found.classes, found.probabilities
    objects = None if detections is None else Objects.of(detections, n, tracks)
    if objects is not None and objects.tracks is not None:
        streams = [tuple([row.get(key) for key in stream_keys]) for row in rows]
        given["followed"] = (follower or Follower()).follow(objects, streams)
    if masks is not None:
        areas = given["areas"] = areas_of(masks, n)
        if outputs is None:
            prediction, probabilities = areas.largest, areas.shares
    if latency_s is not None:
        given["latency_s"] = as_column(latency_s, "latency_s", n)
    if batch_size is not None:
        given["batch_size"] = as_column(batch_size, "batch_size", n)
    numbers, characters = own_numbers(signals, stages_s, own, n, refused)
    moments = as_column(time_s, "time_s", n)
    view = View(
        n=n,
        metadata=rows,
        time_s=moments,
        objects=objects,
        texts=None if texts is None else _read(texts, n),
        characters=characters,
        others=others,
        given=numbers,
        **given,
    )
    table = measured(view, task, own, refused)
    return RecordBatch(
        ids=clean_texts(tuple([str(one)[:MAX_ID] for one in ids])),
        counter=np.asarray(counter, np.uint64),
        custom_ids=custom_ids,
        time_s=moments,
        version=str(version),
        signals=table.values,
        prediction=prediction,
        probabilities=probabilities,
        embedding=embedding,
        metadata=rows,
        uris=texts_of(uris, "uris", n),
        trace_ids=texts_of(trace_ids, "trace_ids", n),
        thumbnails=small,
        task=task,
        signal_names=table.names,
        objects=objects,
        others=others,
        item_names=table.item_names,
        items=table.items,
        flags=view.flags,
        image_form=form,
        pixel_range=span,
        whole=whole_of(images, n) if pictures else (),
    )


def _read(texts: Sequence[str], n: int) -> list[str]:
    if isinstance(texts, str) or len(texts) != n:
        raise ShapeError("texts", expected=f"{n} texts", found=type(texts).__name__)
    return [str(text) for text in texts]
