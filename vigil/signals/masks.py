"""What masks say: the class of each pixel.

Of a mask with more than 65536 pixels every k-th row is counted, whole rows, as few as make 65536.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.arrays import as_column, as_numpy
from vigil.errors import ShapeError

PIXELS = 65536
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
    rows = (rows if len(rows[0]) else pixels[:, :1]).astype(np.int64)
    void = (rows < 0) | (rows >= MOST_CLASSES)
    if pixels.dtype == np.uint8:
        void |= rows == _IGNORED
    boundary = (rows[:, :, 1:] != rows[:, :, :-1]).mean(axis=(1, 2)) if rows.shape[2] > 1 else 0.0
    k = max(classes, int(rows[~void].max(initial=0)) + 1)
    spots = np.where(void, k, rows) + (k + 1) * np.arange(n)[:, None, None]
    counts = np.bincount(spots.reshape(-1), minlength=n * (k + 1)).reshape(n, k + 1)[:, :k]
    shares = _shares(counts)
    return Areas(
        shares=shares,
        count=np.where(np.isnan(shares[:, 0]), np.nan, (shares[:, 1:] >= PRESENT).sum(axis=1)),
        boundary=np.broadcast_to(np.asarray(boundary, np.float64), (n,)),
    )


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
