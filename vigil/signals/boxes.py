"""Geometry of boxes (left, top, right, bottom) in shares of the image, vectorised over a batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vigil.values.objects import Objects

GRID = 64
PAIRED = 50
_CHUNK = 64
_BELOW = np.array([2**bits - 1 for bits in range(GRID + 1)], np.uint64)

Floats = NDArray[np.float64]


def areas(boxes: NDArray[np.float32]) -> Floats:
    """Share of the image that each box covers, (M,)."""
    wide = boxes.astype(np.float64)
    return np.asarray((wide[:, 2] - wide[:, 0]) * (wide[:, 3] - wide[:, 1]))


def coverage(objects: Objects) -> Floats:
    """Share of each image that lies under at least one box, (n,).

    Counted on a grid of 64 by 64 cells, by their centres: a box smaller than a cell counts now and
    then, as often as its area says.
    """
    placed = np.isfinite(objects.boxes).all(axis=1)
    row, boxes = objects.row[placed].astype(np.int64), objects.boxes[placed]
    # Cell i has its centre at (i + 1/2) / GRID: a side at x starts with the first centre behind it.
    x0, y0, x1, y1 = np.clip(np.ceil(boxes * GRID - 0.5), 0, GRID).astype(np.int64).T
    high = np.maximum(y1 - y0, 0)
    box = np.repeat(np.arange(len(row)), high)
    line = row[box] * GRID + y0[box] + np.arange(len(box)) - (np.cumsum(high) - high)[box]
    # A line of the grid is the bits of a word.
    words = np.zeros(objects.records * GRID, np.uint64)
    np.bitwise_or.at(words, line, (_BELOW[x1] & ~_BELOW[x0])[box])
    covered = np.bitwise_count(words).reshape(objects.records, GRID).sum(axis=1, dtype=np.int64)
    return np.asarray(covered / GRID**2)


def iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> Floats:
    """Intersection over union of boxes (..., a, 4) and (..., b, 4), as (..., a, b); 0 where a box
    has no place or both are empty."""
    a, b = first.astype(np.float64)[..., :, None, :], second.astype(np.float64)[..., None, :, :]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    size_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    size_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    union = size_a + size_b - shared
    return np.asarray(np.nan_to_num(shared / np.where(union > 0, union, np.inf), nan=0.0))


def mean_overlap(objects: Objects) -> Floats:
    """Mean intersection over union of all pairs of boxes of each image, (n,); 0 with fewer than
    two. Of an image with more than 50 boxes, the 50 with the highest scores."""
    few = objects.limited(PAIRED)
    counts = few.counts
    out = np.zeros(objects.records)
    first = np.concatenate([[0], np.cumsum(counts)])
    several = np.flatnonzero(counts >= 2)
    # Images with about as many boxes together, so that little is padded.
    several = several[np.argsort(counts[several], kind="stable")]
    for start in range(0, len(several), _CHUNK):
        rows = several[start : start + _CHUNK]
        most = int(counts[rows[-1]])
        there = np.arange(most) < counts[rows][:, None]
        padded = np.full((len(rows), most, 4), np.nan, np.float32)
        padded[there] = few.boxes[(first[rows][:, None] + np.arange(most))[there]]
        table = iou(padded, padded)
        own = np.diagonal(table, axis1=1, axis2=2).sum(axis=1)
        pairs = counts[rows] * (counts[rows] - 1)
        out[rows] = (table.sum(axis=(1, 2)) - own) / pairs
    return out
