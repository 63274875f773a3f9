"""Ready-made redactions: blur, pixelate or fill boxes, or keep one region only.

Blurring can be undone in part by who tries hard; ``Fill`` can't.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vigil.arguments import whole_of
from vigil.privacy.redaction import Images, Pictured

Region = tuple[float, float, float, float]
Finder = Callable[[Images, Sequence[Pictured]], Sequence[Any]]
"""Boxes (k, 4) for each picture, in shares of its sides: what a face or plate detector gives."""

WHOLE: Region = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Boxes(ABC):
    """Hides boxes of each picture.

    Args:
        boxes: ``detections``: those that came with the record; or a function that finds them.
        classes: of the record's detections only these; all where empty.
        margin: each box grows by this share of its sides, on every side.

    Where ``boxes`` is ``detections`` and a record came without any, hiding fails: nobody knows
    what should be hidden. A box without a place (NaN) hides the whole picture.
    """

    boxes: Literal["detections"] | Finder = "detections"
    classes: tuple[int, ...] = ()
    margin: float = 0.1

    def __post_init__(self) -> None:
        if self.boxes != "detections" and not callable(self.boxes):
            raise ValueError(f"boxes: expected detections or a function, found {self.boxes!r:.80}")
        if not 0.0 <= self.margin <= 10.0:
            raise ValueError(f"margin: expected 0 to 10, found {self.margin!r:.80}")

    def __call__(self, images: Images, records: Sequence[Pictured], /) -> Images:
        for image, boxes in zip(images, self._found(images, records), strict=True):
            for box in boxes:
                top, bottom, left, right = _pixels(box, image.shape, self.margin)
                if top < bottom and left < right:
                    self._hide(image[top:bottom, left:right])
        return images

    def _found(self, images: Images, records: Sequence[Pictured]) -> list[NDArray[np.float64]]:
        if callable(self.boxes):
            found = list(self.boxes(images, records))
        else:
            found = [self._own(one) for one in records]
        if len(found) != len(images):
            raise ValueError(f"expected boxes of {len(images)} pictures, found {len(found)}")
        return [np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in found]

    def _own(self, record: Pictured) -> NDArray[np.float32]:
        if record.boxes is None or record.classes is None:
            raise ValueError("the record came without detections")
        if not self.classes:
            return record.boxes
        # A box of which the class is not known may be one of them.
        return record.boxes[np.isin(record.classes, (-1, *self.classes))]

    @abstractmethod
    def _hide(self, patch: Images) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Blur(_Boxes):
    """Boxes blurred: two running means, ``strength`` of the box's longer side wide."""

    strength: float = 0.5

    def __post_init__(self) -> None:
        _Boxes.__post_init__(self)
        if not 0.0 < self.strength <= 2.0:
            raise ValueError(f"strength: expected above 0 to 2, found {self.strength!r:.80}")

    def _hide(self, patch: Images) -> None:
        radius = max(2, round(self.strength * max(patch.shape[:2]) / 2))
        values = patch.astype(np.float64)
        for axis in (0, 1, 0, 1):
            values = _running_mean(values, radius, axis)
        patch[...] = values.astype(patch.dtype)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fill(_Boxes):
    """Boxes in one value: nothing of what was there is left."""

    value: float = 0.0

    def _hide(self, patch: Images) -> None:
        patch[...] = self.value


@dataclass(frozen=True, kw_only=True, slots=True)
class Pixelate:
    """Squares of ``block`` pixels in their mean: of the whole picture, or of boxes as in ``Blur``.

    Args:
        block: side of a square, pixels.
        boxes: None for the whole picture, else as in ``Blur``.
        classes, margin: as in ``Blur``.
    """

    block: int = 16
    boxes: Literal["detections"] | Finder | None = None
    classes: tuple[int, ...] = ()
    margin: float = 0.1

    def __post_init__(self) -> None:
        whole_of("block", self.block, least=2)

    def __call__(self, images: Images, records: Sequence[Pictured], /) -> Images:
        if self.boxes is None:
            for image in images:
                _pixelate(image, self.block)
            return images
        inner = _Squares(
            boxes=self.boxes, classes=self.classes, margin=self.margin, block=self.block
        )
        return inner(images, records)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Squares(_Boxes):
    block: int = 16

    def _hide(self, patch: Images) -> None:
        _pixelate(patch, self.block)


@dataclass(frozen=True, slots=True)
class Crop:
    """Keeps one region; all around it is black. The picture keeps its size.

    Args:
        region: left, top, right, bottom in shares of the sides.
    """

    region: Region

    def __post_init__(self) -> None:
        left, top, right, bottom = self.region
        if not (0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0):
            raise ValueError(
                "region: expected left, top, right, bottom in [0, 1], "
                f"found {tuple(self.region)!r:.80}"
            )

    def __call__(self, images: Images, records: Sequence[Pictured], /) -> Images:
        height, width = images.shape[1:3]
        left, top, right, bottom = self.region
        # Inwards, so that no pixel outside the region is seen.
        rows = slice(int(np.ceil(top * height)), int(np.floor(bottom * height)))
        columns = slice(int(np.ceil(left * width)), int(np.floor(right * width)))
        kept = np.zeros_like(images)
        kept[:, rows, columns] = images[:, rows, columns]
        return kept


def _pixels(
    box: NDArray[np.float64], shape: tuple[int, ...], margin: float
) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of a box with its margin, outwards, inside the picture."""
    height, width = shape[:2]
    if not np.isfinite(box).all() or box[2] < box[0] or box[3] < box[1]:
        return 0, height, 0, width
    across, down = margin * (box[2] - box[0]), margin * (box[3] - box[1])
    return (
        max(0, int(np.floor((box[1] - down) * height))),
        min(height, int(np.ceil((box[3] + down) * height))),
        max(0, int(np.floor((box[0] - across) * width))),
        min(width, int(np.ceil((box[2] + across) * width))),
    )


def _running_mean(values: NDArray[np.float64], radius: int, axis: int) -> NDArray[np.float64]:
    """Mean over ``2 radius + 1`` neighbours; the edge is repeated."""
    n = values.shape[axis]
    padding = [(0, 0)] * values.ndim
    padding[axis] = (radius + 1, radius)
    summed = np.cumsum(np.pad(values, padding, mode="edge"), axis=axis)
    last = np.take(summed, range(2 * radius + 1, 2 * radius + 1 + n), axis=axis)
    first = np.take(summed, range(n), axis=axis)
    return np.asarray((last - first) / (2 * radius + 1))


def _pixelate(patch: Images, block: int) -> None:
    for top in range(0, patch.shape[0], block):
        for left in range(0, patch.shape[1], block):
            square = patch[top : top + block, left : left + block]
            square[...] = square.mean(axis=(0, 1)).astype(patch.dtype)
