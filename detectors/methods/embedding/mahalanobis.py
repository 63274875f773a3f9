"""Mahalanobis distance as out-of-distribution score."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from detectors.detector import ALPHA, Comparison, Exactness, Takes, no_data
from detectors.methods.embedding.exceedance import (
    FEWEST,
    UNIT,
    OutOfDistribution,
    check_quantile,
    far_out,
    fitted,
    halves,
)
from detectors.methods.embedding.rows import Floats, matrix, pair
from detectors.registry import register
from vigil.errors import ShapeError


@register
class Mahalanobis:
    """Whitened distance to the reference's mean, and the share of records that it puts far out.

    Statistic: the share of the (n, d) current rows with
    ``D(x) = sqrt((x - mu)' S^-1 (x - mu) / d)`` beyond the q-quantile of held-out reference rows.
    mu and S come from one half of the reference, S shrunk towards ``tr(S) / d I`` by the oracle
    approximating rule (OAS), so that it has an inverse where rows are fewer than dimensions.

    Effect: that share less the 1 - q that the reference has there; -(1 - q) to q. 95 % interval:
    Wilson's for the share and the exact beta interval of the quantile, added in quadrature.

    Test: the other half of the reference and the current rows are exchangeable without drift, so
    the count beyond is beta-binomial: exact at any size, on the safe side where distances tie.

    Cost: O((m + n) d^2 + d^3) time, O((m + n) d) memory; 0.6 s for 2000 rows a side, d = 512, on
    one core.

    Not for: drift towards the middle, or shifts that hardly change distances: mmd sees those;
    clusters far apart, between which a point is near the mean: knn_distance sees that.

    Source: Lee, Lee, Lee and Shin, A Simple Unified Framework for Detecting Out-of-Distribution
    Samples, NeurIPS 2018; Chen, Wiesel, Eldar and Hero, Shrinkage Algorithms for MMSE Covariance
    Estimation, IEEE Transactions on Signal Processing, 2010.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the excess share up to which drift does not matter.
        quantile: q.
        seed: of the split.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> reference = rng.normal(size=(1000, 8))
        >>> print(Mahalanobis().compare(reference, rng.normal(0, 2, size=(500, 8))).outcome)
        drifted
        >>> Mahalanobis().fit(reference).p_values(np.full((1, 8), 9.0)).round(4).tolist()
        [0.002]
    """

    name: ClassVar[str] = "mahalanobis"
    takes: ClassVar[Takes] = Takes.EMBEDDING
    exactness: ClassVar[Exactness] = Exactness.EXACT

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        quantile: float = 0.95,
        seed: int = 0,
    ) -> None:
        self.alpha, self.tolerance, self.seed = alpha, tolerance, seed
        self.quantile = check_quantile(quantile)

    def compare(self, reference: ArrayLike, current: ArrayLike) -> Comparison:
        """Compare (m, d) with (n, d); at least 4 and 1 finite rows, else no data.

        Details: ``threshold``, ``expected`` share, ``calibration`` rows.

        Raises:
            ShapeError: not two matrices of one width.
        """
        before, now, lost = pair(reference, current)
        if len(before) < FEWEST or not len(now):
            return no_data(
                self.name, unit=UNIT, tolerance=self.tolerance, alpha=self.alpha, left_out=lost
            )
        return far_out(
            self.name,
            self.fit(before),
            now,
            quantile=self.quantile,
            tolerance=self.tolerance,
            alpha=self.alpha,
            left_out=lost,
        )

    def fit(self, reference: ArrayLike) -> OutOfDistribution:
        """A score of single records, from (m, d) rows of the reference.

        Raises:
            ShapeError: not a matrix with at least 4 finite rows.
        """
        rows = matrix(reference, "reference")
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < FEWEST:
            raise ShapeError(
                "reference", expected=f"at least {FEWEST} finite rows", found=str(len(rows))
            )
        learn, held = halves(rows, self.seed)
        mean = learn.mean(axis=0)
        values, axes = np.linalg.eigh(shrunk_covariance(learn))
        whitening = axes / np.sqrt(np.maximum(values, 1e-300) * rows.shape[1])

        def distance(some: Floats) -> Floats:
            return np.asarray(np.sqrt((((some - mean) @ whitening) ** 2).sum(axis=1)))

        return fitted(rows.shape[1], held, distance)


def shrunk_covariance(rows: Floats) -> Floats:
    """Oracle approximating shrinkage of the covariance of (n, d) rows, n >= 1, (d, d).

    ``(1 - r) S + r tr(S) / d I`` with ``r = min(1, ((1 - 2/d) tr(S^2) + tr(S)^2) /
    ((n + 1 - 2/d) (tr(S^2) - tr(S)^2 / d)))`` and S the maximum-likelihood covariance; the identity
    where the rows do not vary.
    """
    n, d = rows.shape
    centred = rows - rows.mean(axis=0)
    covariance = centred.T @ centred / n
    trace, square = float(np.trace(covariance)), float((covariance**2).sum())
    if trace <= 0.0:
        return np.eye(d)
    spread = (n + 1.0 - 2.0 / d) * (square - trace**2 / d)
    wanted = (1.0 - 2.0 / d) * square + trace**2
    share = 1.0 if spread <= 0.0 else min(1.0, wanted / spread)
    shrunk = (1.0 - share) * covariance
    shrunk[np.diag_indices(d)] += share * trace / d
    return np.asarray(shrunk)
