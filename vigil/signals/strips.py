"""Of a large image, the rows that its statistics are computed from.

Copying whole images costs the caller more than everything else, and pixels picked one by one cost
more still and hide blur. So a few bands of four neighbouring rows, evenly spaced over the height,
stand for the image: each is contiguous in memory, and two of its four rows have all their
neighbours, which the second differences need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

BAND = 4
LEAST_BANDS = 4
PIXELS = 3500
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Strips:
    """Bands of n images, one below the other.

    ``pixels``: images in the form they came in, with fewer rows; every ``band`` rows are neighbours
    in the image, 0 where all are. ``height``, ``width``: of the image, pixels. ``small``
    (m, h, w, c) uint8: thumbnails of the images ``picked`` (m,), where any were made.
    """

    pixels: NDArray[Any]
    band: int
    height: int
    width: int
    picked: NDArray[np.int64] | None = None
    small: NDArray[np.uint8] | None = None

    @staticmethod
    def concatenate(parts: Sequence[Strips]) -> Strips:
        """Strips of images of one size, end to end."""
        before = np.cumsum([0, *(len(part.pixels) for part in parts)])
        picked = [
            part.picked + start
            for part, start in zip(parts, before, strict=False)
            if part.picked is not None
        ]
        small = [part.small for part in parts if part.small is not None]
        return replace(
            parts[0],
            pixels=np.concatenate([part.pixels for part in parts]),
            picked=np.concatenate(picked) if picked else None,
            small=np.concatenate(small) if small else None,
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the bands of an image lie: in so many blocks of ``step`` rows, each at row ``first``.

    No bands: the image is small, and all of it is taken.
    """

    bands: int
    first: int
    step: int

    @property
    def rows(self) -> int:
        """How many rows are taken of an image that is cut."""
        return self.bands * BAND


@lru_cache(maxsize=256)
def cut_of(height: int, width: int) -> Cut:
    """At least four bands and about 3500 pixels; all of the image where that would be half of it.

    Args:
        height, width: of the image, pixels.
    """
    bands = max(LEAST_BANDS, -(-PIXELS // (BAND * max(1, width))))
    if 2 * bands * BAND > height:
        return Cut(0, 0, 1)
    step = height // bands
    return Cut(bands, (step - BAND) // 2, step)


def rows_axis(shape: tuple[int, ...]) -> int:
    """The axis that counts rows: 2 for (n, c, h, w), 1 for (n, h, w) and (n, h, w, c)."""
    return 2 if len(shape) == 4 and shape[3] not in _CHANNELS and shape[1] in _CHANNELS else 1


def view_of(images: NDArray[Any], cut: Cut, axis: int) -> NDArray[Any]:
    """The bands as a view: where ``images`` has rows, it has (bands, 4)."""
    before, after = images.shape[:axis], images.shape[axis + 1 :]
    rows = images[(slice(None),) * axis + (slice(cut.bands * cut.step),)]
    blocks = rows.reshape((*before, cut.bands, cut.step, *after))
    return blocks[(slice(None),) * (axis + 1) + (slice(cut.first, cut.first + BAND),)]


def strips_of(images: NDArray[Any]) -> Strips:
    """Images (n, h, w), (n, h, w, c) or (n, c, h, w), as their strips; of small images a view."""
    axis = rows_axis(images.shape)
    height, width = images.shape[axis : axis + 2]
    cut = cut_of(height, width)
    if not cut.bands:
        return Strips(pixels=images, band=0, height=height, width=width)
    view = view_of(images, cut, axis)
    shape = (*images.shape[:axis], cut.rows, *images.shape[axis + 1 :])
    return Strips(
        pixels=np.ascontiguousarray(view).reshape(shape), band=BAND, height=height, width=width
    )
