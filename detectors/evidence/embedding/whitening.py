"""Random Fourier features of a baseline, whitened: the leading k directions at unit variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import ShapeError

Floats = NDArray[np.float64]

COMPONENTS = 32


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Whitening:
    """``y = A (z - mu)``, ``A = Lambda^-1/2 V'``: V the k leading eigenvectors of the covariance of
    z, Lambda their eigenvalues.

    * ``mean`` (F,): mu; ``matrix`` (k, F): A.

    One record of the baseline has y of mean 0 and covariance I (k, k); the mean of m independent
    ones has covariance I / m.
    """

    mean: Floats
    matrix: Floats

    @property
    def components(self) -> int:
        return int(self.matrix.shape[0])

    def __call__(self, features: NDArray[np.floating[Any]]) -> Floats:
        """Features (..., F), of records or means of them, to y (..., k)."""
        return np.asarray((np.asarray(features, np.float64) - self.mean) @ self.matrix.T)


def fit_whitening(
    features: NDArray[np.floating[Any]], *, components: int = COMPONENTS
) -> Whitening:
    """The whitening of (n, F) features; directions with less than 1e-8 of the largest variance are
    left out.

    Raises:
        ShapeError: not a finite matrix of at least 2 rows that vary.
    """
    z = np.asarray(features, np.float64)
    if z.ndim != 2 or len(z) < 2 or not np.isfinite(z).all():
        raise ShapeError("features", expected="finite (n, F), n >= 2", found=str(z.shape))
    mean = z.mean(axis=0)
    values, axes = np.linalg.eigh(np.cov(z, rowvar=False).reshape(z.shape[1], z.shape[1]))
    values, axes = values[::-1][:components], axes[:, ::-1][:, :components]
    use = values > 1e-8 * max(float(values[0]), 1e-12)
    if not use.any():
        raise ShapeError("features", expected="rows that vary", found="equal rows")
    return Whitening(mean=mean, matrix=(axes[:, use] / np.sqrt(values[use])).T)
