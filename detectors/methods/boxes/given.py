"""Boxes, scores and sizes as callers hand them in, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def corners_of(what: str, given: ArrayLike) -> Floats:
    """Boxes (m, 4) as corners.

    Raises:
        ShapeError: anything else.
    """
    try:
        boxes = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeError(what, expected="(m, 4) numbers", found=str(error)) from error
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError(what, expected="(m, 4)", found=f"shape {boxes.shape}")
    wrong = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    if wrong.any():
        raise ShapeError(
            what,
            expected="x1, y1, x2, y2 with x2 >= x1 and y2 >= y1",
            found=f"row {int(wrong.argmax())}: {boxes[wrong.argmax()].tolist()}",
        )
    return boxes


def integers_of(what: str, given: ArrayLike, rows: int, *, upper: int | None = None) -> Ints:
    """(rows,) integers of 0 or more, below ``upper`` where that is given.

    Raises:
        ShapeError: anything else.
    """
    values = np.asarray(given)
    if values.size == 0 and rows == 0:
        return np.zeros(0, dtype=np.int64)
    if values.shape != (rows,):
        raise ShapeError(what, expected=f"({rows},)", found=f"shape {values.shape}")
    if values.dtype.kind not in "iu":
        raise ShapeError(what, expected="integers", found=f"{values.dtype}")
    low, high = int(values.min()), int(values.max())
    if low < 0 or (upper is not None and high >= upper):
        expected = "integers >= 0" if upper is None else f"0..{upper - 1}"
        raise ShapeError(what, expected=expected, found=f"{low} to {high}")
    return values.astype(np.int64)


def scores_of(given: ArrayLike, rows: int) -> Floats:
    """(rows,) scores, in [0, 1] where they are finite.

    Raises:
        ShapeError: anything else.
    """
    scores = np.asarray(given, dtype=np.float64)
    if scores.shape != (rows,) and (scores.size or rows):
        raise ShapeError("scores", expected=f"({rows},)", found=f"shape {scores.shape}")
    usable = scores[np.isfinite(scores)]
    if usable.size and (usable.min() < 0.0 or usable.max() > 1.0):
        raise ShapeError(
            "scores", expected="values in [0, 1]", found=f"{usable.min():.6g} to {usable.max():.6g}"
        )
    return scores.reshape(rows)


def sizes_of(given: ArrayLike | None, images: int) -> Floats:
    """(images, 2) width and height; ones where none are given.

    Raises:
        ShapeError: anything else.
    """
    sizes = np.ones(2) if given is None else np.asarray(given, dtype=np.float64)
    if sizes.shape == (2,):
        sizes = np.broadcast_to(sizes, (images, 2)).copy()
    if images == 0 and sizes.size == 0:
        return np.ones((0, 2))
    if sizes.shape != (images, 2):
        raise ShapeError("size", expected=f"({images}, 2) or (2,)", found=f"shape {sizes.shape}")
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ShapeError("size", expected="width and height > 0", found="zero, negative or NaN")
    return sizes
