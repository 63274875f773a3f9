"""Read the samples that callers hand in: usable values, and how many were not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigil.errors import ShapeError

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def numbers(values: ArrayLike, what: str) -> tuple[Floats, int]:
    """The finite values of an (n,) sample, and how many were left out.

    Raises:
        ShapeError: not one-dimensional, or not real numbers.
    """
    found = np.asarray(values)
    if found.dtype.kind == "O" and found.ndim == 1:
        plain = all(is_missing(one) or isinstance(one, (int, float, np.number)) for one in found)
        # None becomes NaN.
        found = found.astype(np.float64) if plain else found
    if found.ndim != 1 or not (found.dtype.kind in "biuf" or found.size == 0):
        raise ShapeError(what, expected="(n,) real numbers", found=f"{found.shape} {found.dtype}")
    found = found.astype(np.float64)
    finite = np.isfinite(found)
    return (found, 0) if finite.all() else (found[finite], int((~finite).sum()))


def in_range(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Both samples in another unit where squares of their values would not be finite or not be
    above zero: for statistics that do not depend on the unit."""
    largest = max(float(np.abs(first).max()), float(np.abs(second).max()))
    if largest > 1e150 or 0.0 < largest < 1e-150:
        return first / largest, second / largest
    return first, second


def category_counts(
    reference: ArrayLike, current: ArrayLike
) -> tuple[Counts, Counts, tuple[int | str, ...], tuple[int, int]]:
    """How often each category of either sample occurs.

    Integers, texts or booleans; None, NaN and numbers that are not whole are left out.

    Returns:
        Reference counts (K,), current counts (K,), the K categories in order, values left out.

    Raises:
        ShapeError: not one-dimensional, no labels, or numbers on one side and texts on the other.
    """
    first, lost_first = _labels(reference, "reference")
    second, lost_second = _labels(current, "current")
    if len(first) and len(second) and (first.dtype.kind == "U") != (second.dtype.kind == "U"):
        raise ShapeError(
            "samples",
            expected="labels of one kind on both sides",
            found=f"{first.dtype} and {second.dtype}",
        )
    sides = [side for side in (first, second) if len(side)]
    pooled = np.concatenate(sides) if sides else first
    names, codes = np.unique(pooled, return_inverse=True)
    lost = (lost_first, lost_second)
    kinds = len(names)
    return (
        np.bincount(codes[: len(first)], minlength=kinds).astype(np.int64),
        np.bincount(codes[len(first) :], minlength=kinds).astype(np.int64),
        tuple(names.tolist()),
        lost,
    )


def is_missing(value: object) -> bool:
    """None, or a float that is not finite."""
    return value is None or (isinstance(value, float) and not np.isfinite(value))


def _labels(values: ArrayLike, what: str) -> tuple[NDArray[Any], int]:
    found = np.asarray(values)
    if found.ndim != 1:
        raise ShapeError(what, expected="(n,) labels", found=f"{found.shape} {found.dtype}")
    if found.dtype.kind == "f":
        found = found.astype(np.float64)
        whole = np.isfinite(found) & (found == np.floor(found)) & (np.abs(found) < 2.0**62)
        return found[whole].astype(np.int64), int((~whole).sum())
    if found.dtype.kind in "biu":
        return found.astype(np.int64), 0
    if found.dtype.kind in "US":
        return found.astype(np.str_), 0
    if found.dtype.kind != "O":
        raise ShapeError(what, expected="(n,) labels", found=f"{found.shape} {found.dtype}")
    kept = [one for one in found.tolist() if not is_missing(one)]
    plain = all(isinstance(one, (int, np.integer)) for one in kept)
    return np.array(kept, np.int64 if plain else np.str_), len(found) - len(kept)
