"""Embeddings as callers hand them in, and the roots of squared distances as effects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from detectors.kernel_sums import share_as_large
from detectors.methods.two_sample import Found, Size
from vigil.errors import ShapeError

Floats = NDArray[np.float64]

PERMUTATIONS = 999
_Z = float(norm.ppf(0.975))


def pair(reference: ArrayLike, current: ArrayLike) -> tuple[Floats, Floats, tuple[int, int]]:
    """The finite rows of both sides, and how many rows of each were left out.

    Raises:
        ShapeError: a side is not (n, d) numbers with d >= 1, or they differ in d.
    """
    first, second = matrix(reference, "reference"), matrix(current, "current")
    if first.shape[1] != second.shape[1]:
        raise ShapeError(
            "samples", expected="matrices of one width", found=f"{first.shape}, {second.shape}"
        )
    usable = np.isfinite(first).all(axis=1), np.isfinite(second).all(axis=1)
    lost = int((~usable[0]).sum()), int((~usable[1]).sum())
    return first[usable[0]], second[usable[1]], lost


def matrix(values: ArrayLike, what: str) -> Floats:
    """An (n, d) matrix of numbers, finite or not.

    Raises:
        ShapeError: anything else.
    """
    found: NDArray[Any] = np.asarray(values)
    if found.ndim != 2 or found.shape[1] == 0 or found.dtype.kind not in "biuf":
        raise ShapeError(what, expected="(n, d) numbers", found=f"{found.shape} {found.dtype}")
    return found.astype(np.float64)


def permuted_root(squares: Floats, linear: float, *, scale: float = 1.0) -> Found:
    """What a permutation test of a squared distance finds.

    Args:
        squares: (1 + permutations,): as seen, then with the rows on random sides.
        linear: the variance of the linear part of the square.
        scale: what the square is divided by to become an effect; counts as known.
    """
    return Found(
        size=root_size(
            float(squares[0]) / scale,
            noise=float(squares[1:].std()) / scale,
            linear=linear / scale**2,
        ),
        statistic=float(squares[0]),
        p_value=share_as_large(squares),
    )


def root_size(square: float, *, noise: float, linear: float) -> Size:
    """The root of an unbiased squared distance, with a 95 % interval.

    Args:
        square: the estimate, which may be negative.
        noise: its standard deviation where there is no difference.
        linear: the variance that the difference adds. It is proportional to the square itself, so
            the limits are those u that are 1.96 of *their* deviations from the estimate, as in
            Wilson's interval of a share: ``(u - square)^2 = 1.96^2 (noise^2 + rate u)``.
    """
    centre = max(square, 0.0)
    rate = _Z**2 * linear / max(centre, (noise**2 + linear) ** 0.5, 1e-300)
    reach = float(np.sqrt(rate**2 + 4.0 * ((_Z * noise) ** 2 + rate * centre)))
    low, high = square - (reach - rate) / 2.0, square + (reach + rate) / 2.0
    return Size(
        value=centre**0.5,
        low=max(low, 0.0) ** 0.5,
        high=max(high, 0.0) ** 0.5,
    )
