"""Batches of one window made to fit together, whatever their callers sent.

A window has one shape: K classes, d embedding dimensions, one size of thumbnail. What does not fit
is missing (NaN), so that it is counted as such and nothing else of the record is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.measuring.batch import RecordBatch
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Classes, embedding dimensions and thumbnail (h, w, c); 0 is not known yet. ``names`` of the
    signals of records, ``item_names`` of those of boxes, ``others``: dimensions of further
    embeddings."""

    classes: int = 0
    dimension: int = 0
    thumbnail: tuple[int, int, int] = (0, 0, 1)
    names: tuple[str, ...] = ()
    item_names: tuple[str, ...] = ()
    others: tuple[tuple[str, int], ...] = ()

    def learn(self, batches: Sequence[RecordBatch | Sample], ruler: Ruler) -> Shape:
        """With what is not known yet taken from the batches, as far as the ruler allows."""
        classes, dimension, thumbnail = self.classes, self.dimension, self.thumbnail
        names, item_names, others = self.names, self.item_names, dict(self.others)
        for batch in batches:
            k, d = batch.probabilities.shape[1], batch.embedding.shape[1]
            if isinstance(batch, RecordBatch):
                item_names = _with(item_names, batch.item_names)
                for name, vectors in batch.others.items():
                    others.setdefault(name, vectors.shape[1])
                if batch.task == "segmentation" and k:
                    k = ruler.layout.classes or k
            names = _with(names, batch.signal_names)
            if classes == 0 and k and ruler.layout.classes in (0, k):
                classes = k
            if dimension == 0 and d:
                dimension = d if ruler.projection is None else ruler.projection.dimension
            if thumbnail[0] == 0 and batch.thumbnails.shape[1]:
                height, width, channels = batch.thumbnails.shape[1:]
                thumbnail = (height, width, channels)
        return Shape(
            classes=classes,
            dimension=dimension,
            thumbnail=thumbnail,
            names=names,
            item_names=item_names,
            others=tuple(others.items()),
        )

    def fit(self, batch: RecordBatch) -> RecordBatch:
        batch = self.named(batch)
        if batch.task == "segmentation":
            probabilities = _classes(batch.probabilities, self.classes)
        else:
            probabilities = _columns(batch.probabilities, self.classes)
        embedding = _columns(batch.embedding, self.dimension)
        thumbnails = resize(batch.thumbnails, self.thumbnail)
        if (
            probabilities is batch.probabilities
            and embedding is batch.embedding
            and thumbnails is batch.thumbnails
        ):
            return batch
        return replace(
            batch, probabilities=probabilities, embedding=embedding, thumbnails=thumbnails
        )

    def named(self, batch: RecordBatch) -> RecordBatch:
        """With the window's signals and further embeddings, NaN where the batch lacks one."""
        if batch.signal_names != self.names:
            signals = ordered(batch.signals, batch.signal_names, self.names)
            batch = replace(batch, signals=signals, signal_names=self.names)
        if batch.item_names != self.item_names:
            items = ordered(batch.items, batch.item_names, self.item_names)
            batch = replace(batch, items=items, item_names=self.item_names)
        if self.others and tuple((k, v.shape[1]) for k, v in batch.others.items()) != self.others:
            nothing = np.zeros((len(batch), 0), np.float32)
            found = {
                name: _columns(batch.others.get(name, nothing), width)
                for name, width in self.others
            }
            batch = replace(batch, others=found)
        return batch

    def fit_sample(self, sample: Sample, *, keep_thumbnails: bool) -> Sample:
        thumbnail = self.thumbnail if keep_thumbnails else sample.thumbnails.shape[1:]
        return replace(
            sample.with_signals(self.names),
            probabilities=_columns(sample.probabilities, self.classes),
            embedding=_columns(sample.embedding, self.dimension),
            thumbnails=resize(sample.thumbnails, thumbnail),
        )


def _with(names: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return names if names == more else tuple(dict.fromkeys((*names, *more)))


def ordered(values: NDArray[Any], have: tuple[str, ...], want: tuple[str, ...]) -> NDArray[Any]:
    """Columns (n, len(have)) as (n, len(want)), by name; NaN for a name that is not there."""
    if have == want:
        return values
    out = np.full((len(values), len(want)), np.nan, values.dtype)
    for place, name in enumerate(want):
        if name in have:
            out[:, place] = values[:, have.index(name)]
    return out


def _classes(shares: NDArray[Any], count: int) -> NDArray[Any]:
    """Shares of classes in so many columns: a class that no mask of a batch shows has none."""
    if shares.shape[1] in (0, count):
        return _columns(shares, count)
    return widened(shares[:, :count], count)


def widened(shares: NDArray[Any], count: int) -> NDArray[Any]:
    """With columns of zeros for classes that are not there, up to ``count``."""
    return np.pad(shares, ((0, 0), (0, max(0, count - shares.shape[1]))))


def _columns(values: NDArray[Any], count: int) -> NDArray[Any]:
    if values.shape[1] == count:
        return values
    return np.full((len(values), count), np.nan, values.dtype)


def resize(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Images (n, h, w, c) at another (h, w, c), by the nearest pixel; black without any."""
    if images.shape[1:] == shape:
        return images
    height, width, channels = shape
    n, old_height, old_width, old_channels = images.shape
    if 0 in (old_height, old_width, height, width):
        return np.zeros((n, height, width, channels), np.uint8)
    rows = np.arange(height) * old_height // height
    columns = np.arange(width) * old_width // width
    planes = np.minimum(np.arange(channels), old_channels - 1)
    return np.ascontiguousarray(images[:, rows][:, :, columns][..., planes])
