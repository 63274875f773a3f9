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

from vigil.batch import RecordBatch
from vigil.ruler import Ruler
from vigil.sample import Sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """Classes, embedding dimensions and thumbnail (h, w, c); 0 is not known yet."""

    classes: int = 0
    dimension: int = 0
    thumbnail: tuple[int, int, int] = (0, 0, 1)

    def learn(self, batches: Sequence[RecordBatch | Sample], ruler: Ruler) -> Shape:
        """With what is not known yet taken from the batches, as far as the ruler allows."""
        classes, dimension, thumbnail = self.classes, self.dimension, self.thumbnail
        for batch in batches:
            k, d = batch.probabilities.shape[1], batch.embedding.shape[1]
            if classes == 0 and k and ruler.layout.classes in (0, k):
                classes = k
            if dimension == 0 and d:
                dimension = d if ruler.projection is None else ruler.projection.dimension
            if thumbnail[0] == 0 and batch.thumbnails.shape[1]:
                height, width, channels = batch.thumbnails.shape[1:]
                thumbnail = (height, width, channels)
        return Shape(classes=classes, dimension=dimension, thumbnail=thumbnail)

    def fit(self, batch: RecordBatch) -> RecordBatch:
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

    def fit_sample(self, sample: Sample, *, keep_thumbnails: bool) -> Sample:
        thumbnail = self.thumbnail if keep_thumbnails else sample.thumbnails.shape[1:]
        return replace(
            sample,
            probabilities=_columns(sample.probabilities, self.classes),
            embedding=_columns(sample.embedding, self.dimension),
            thumbnails=resize(sample.thumbnails, thumbnail),
        )


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
