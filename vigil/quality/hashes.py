"""Two hashes of an image: one that looks alike for images that look alike, and one that does not.

Both are made of sixteen rows, evenly spaced over the height, so that they cost a few microseconds;
the strips of a large image (``vigil.signals.strips``) are such rows already.

Source of the first: Krawetz, Kind of Like That (difference hash), 2013.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROWS, CELLS = 8, 9
FLAT = 1.0 / 255.0
"""Neighbours that differ by less, as a share of full scale, are the same: noise makes no bit."""

_BLOCK_BYTES = 2**17

Hashes = NDArray[np.uint64]
Float32 = NDArray[np.float32]


def frame_hashes(images: NDArray[Any]) -> tuple[Hashes, Hashes]:
    """The perceptual and the exact hash of images (n, h, w, c), each (n,) uint64.

    * perceptual: the mean of 8 x 9 fields of the image; a bit for each field that is brighter than
      its left neighbour, by more than 1/255 of full scale.
    * exact: equal for images of which all the rows looked at are equal, byte for byte, and almost
      never otherwise.
    """
    n, height = images.shape[:2]
    if n == 0 or 0 in images.shape:
        return np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    at = ((np.arange(2 * ROWS) + 0.5) * height / (2 * ROWS)).astype(np.int64)
    looks, exact = np.empty(n, np.uint64), np.empty(n, np.uint64)
    # Block by block: small temporary arrays stay in the cache.
    block = max(1, _BLOCK_BYTES // max(1, images[0, at].nbytes))
    for start in range(0, n, block):
        rows = np.ascontiguousarray(images[start : start + block, at])
        looks[start : start + block] = _perceptual(rows)
        exact[start : start + block] = _exact(rows)
    return looks, exact


def hamming(first: Hashes, second: Hashes) -> NDArray[np.uint8]:
    """In how many of their 64 bits hashes differ."""
    return np.asarray(np.bitwise_count(first ^ second), np.uint8)


def _perceptual(rows: NDArray[Any]) -> Hashes:
    n, count, width, channels = rows.shape
    scale = 1.0 if rows.dtype.kind in "fb" else float(np.iinfo(rows.dtype).max)
    weights = field_means(width, channels, scale)
    with np.errstate(over="ignore", invalid="ignore"):
        flat = rows.reshape(n * count, width * channels).astype(np.float32)
        fields = (flat @ weights).reshape(n, ROWS, 2, CELLS).mean(axis=2)
        bits = fields[:, :, 1:] - fields[:, :, :-1] > np.float32(FLAT)
    packed = np.packbits(bits.reshape(n, 64), axis=1)
    return np.asarray(packed.view("<u8").reshape(n), np.uint64)


@lru_cache(maxsize=64)
def field_means(width: int, channels: int, scale: float) -> Float32:
    """The matrix (w c, 9) that takes a row of pixels to the means of its nine fields."""
    edges = np.linspace(0.0, width, CELLS + 1)
    pixels = np.arange(width)[:, np.newaxis]
    # Where a field's edge cuts a pixel, it has its share of it.
    share = np.clip(np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels), 0.0, None)
    share /= share.sum(axis=0)
    return np.asarray(np.repeat(share / (channels * scale), channels, axis=0), np.float32)


def _exact(rows: NDArray[Any]) -> Hashes:
    raw = rows.reshape(len(rows), -1).view(np.uint8)
    rest = -raw.shape[1] % 8
    if rest:
        raw = np.pad(raw, ((0, 0), (0, rest)))
    words = np.ascontiguousarray(raw).view(np.uint64)
    # A sum of products with random odd numbers, modulo 2**64: two images that differ in one word
    # differ in the sum.
    return np.asarray((words * multipliers(words.shape[1])).sum(axis=1, dtype=np.uint64))


@lru_cache(maxsize=64)
def multipliers(count: int) -> Hashes:
    """The odd numbers of the exact hash of so many words; always the same."""
    rng = np.random.default_rng(0x7165)
    return rng.integers(0, 2**64, count, dtype=np.uint64) | np.uint64(1)
