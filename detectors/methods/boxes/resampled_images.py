"""Images dealt or drawn at random, as weights: boxes of one image stay together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detectors.methods.boxes.boxes import Ints

AT_ONCE = 1 << 22
"""How many weights one batch may hold; 32 MiB."""


def dealt(
    first: int, second: int, times: int, rng: np.random.Generator, *, at_once: int = AT_ONCE
) -> Iterator[Ints]:
    """Batches (b, first + second) of 0 and 1 with ``first`` ones a row: who is in the first group,
    when images are dealt at random."""
    images = first + second
    for size in _batches(times, images, at_once):
        groups = np.zeros((size, images), dtype=np.int64)
        for row in range(size):
            groups[row, rng.permutation(images)[:first]] = 1
        yield groups


def drawn(
    images: int, times: int, rng: np.random.Generator, *, at_once: int = AT_ONCE
) -> Iterator[Ints]:
    """Batches (b, images): how often each image is drawn, with replacement: the bootstrap."""
    for size in _batches(times, images, at_once):
        picks = rng.integers(0, images, (size, images)) + np.arange(size)[:, None] * images
        yield np.bincount(picks.ravel(), minlength=size * images).reshape(size, images)


def _batches(times: int, images: int, at_once: int) -> list[int]:
    most = max(1, at_once // max(images, 1))
    return [min(most, times - start) for start in range(0, times, most)]


def least_margin(first: int, second: int) -> float:
    """3 / n of the smaller side: n images without a surprise show no more (the rule of three)."""
    return 3.0 / min(first, second)
