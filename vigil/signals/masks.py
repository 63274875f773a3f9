"""What masks say: the class of each pixel.

Of a mask with more than 32768 pixels every k-th row is counted, whole rows, so that about as many
are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError
from vigil.values.arrays import as_column, as_numpy

PIXELS = 32768
MOST_CLASSES = 1000
PRESENT = 0.001
"""From this share of the pixels on, a class is on the image."""
_IGNORED = 255

Float64 = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Areas:
    """``shares`` (n, K): of each class among the pixels that have one, NaN where none has.
    ``count``, ``boundary`` (n,): see the signals; NaN where not known."""

    shares: NDArray[np.float32]
    count: Float64
    boundary: Float64

    @property
    def largest(self) -> NDArray[np.int32]:
        """The class that covers most, (n,); -1 where none is known."""
        known = np.isfinite(self.shares[:, 0])
        best = np.where(known[:, None], self.shares, 0.0).argmax(axis=1)
        return np.where(known, best, -1).astype(np.int32)


def areas_of(masks: Any, n: int, classes: int = 0) -> Areas:
    """Masks (n, H, W) of integers, or a mapping with ``areas`` (n, K) and perhaps ``counts`` (n,)
    of the masks and ``boundary`` (n,).

    Negative values, 255 in bytes, and classes from 1000 on have no class. Class 0 is background.

    Args:
        masks: as the caller gave them.
        n: records.
        classes: at least so many columns.

    Raises:
        ShapeError: another shape, or not integers.
    """
    if isinstance(masks, Mapping):
        shares = as_numpy(masks.get("areas"), "masks.areas")
        if shares.ndim != 2 or len(shares) != n or not shares.shape[1]:
            raise ShapeError("masks.areas", expected=f"({n}, K)", found=str(shares.shape))
        return Areas(
            shares=_wide(_shares(shares.astype(np.float64)), classes),
            count=_or_nan(masks.get("counts"), "masks.counts", n),
            boundary=_or_nan(masks.get("boundary"), "masks.boundary", n),
        )
    pixels = as_numpy(masks, "masks")
    if pixels.ndim != 3 or len(pixels) != n or pixels.dtype.kind not in "biu" or 0 in pixels.shape:
        raise ShapeError(
            "masks", expected=f"integers ({n}, H, W)", found=f"{pixels.dtype} {pixels.shape}"
        )
    step = -(-pixels.shape[1] * pixels.shape[2] // PIXELS)
    rows = pixels[:, step // 2 :: step]
    rows = rows if rows.shape[1] else pixels[:, :1]
    if pixels.dtype == np.uint8:
        codes, void = rows, _IGNORED
    else:
        codes, void = _codes(rows), MOST_CLASSES
    counts = np.zeros((n, max(classes, void)), np.int64)
    for row, one in enumerate(codes):
        found = np.bincount(one.reshape(-1))[:void]  # the last code of a mask may be none
        counts[row, : len(found)] = found
    shown = np.flatnonzero(counts.any(axis=0))
    counts = counts[:, : max(classes, 1, int(shown[-1]) + 1 if len(shown) else 0)]
    differ = codes[:, :, 1:] != codes[:, :, :-1]
    boundary = np.count_nonzero(differ, axis=(1, 2)) / max(1, differ[0].size)
    shares = _shares(counts)
    return Areas(
        shares=shares,
        count=np.where(np.isnan(shares[:, 0]), np.nan, (shares[:, 1:] >= PRESENT).sum(axis=1)),
        boundary=boundary.astype(np.float64),
    )


def _codes(pixels: NDArray[Any]) -> NDArray[np.uint16]:
    """Classes in [0, 1000); 1000 is none."""
    void = (pixels < 0) | (pixels >= MOST_CLASSES) if pixels.dtype != np.bool_ else False
    return np.where(void, MOST_CLASSES, pixels).astype(np.uint16)


def _shares(amounts: NDArray[Any]) -> NDArray[np.float32]:
    total = amounts.sum(axis=1, keepdims=True)
    usable = np.isfinite(amounts).all(axis=1) & (amounts >= 0).all(axis=1) & (total[:, 0] > 0)
    shares = amounts / np.where(usable[:, None], np.maximum(total, 1e-12), 1.0)
    return np.where(usable[:, None], shares, np.nan).astype(np.float32)


def _wide(shares: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    """At least so many columns, and at most 1000."""
    shares = shares[:, :MOST_CLASSES]
    more = np.zeros((len(shares), max(0, classes - shares.shape[1])), np.float32)
    return np.concatenate([shares, more], axis=1) if more.shape[1] else shares


def _or_nan(value: Any, what: str, n: int) -> Float64:
    return np.full(n, np.nan) if value is None else as_column(value, what, n)
