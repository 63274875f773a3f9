"""Mahalanobis distance as out-of-distribution score."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from detectors.methods.embedding.exceedance import FarOut
from detectors.methods.embedding.rows import Floats
from detectors.registry import register


@register
class Mahalanobis(FarOut):
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

    Details: ``threshold``, ``expected`` share, ``calibration`` rows; no data with fewer than 4
    finite rows of the reference.

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

    def _scorer(self, learn: Floats) -> Callable[[Floats], Floats]:
        mean = learn.mean(axis=0)
        values, axes = np.linalg.eigh(shrunk_covariance(learn))
        whitening = axes / np.sqrt(np.maximum(values, 1e-300) * learn.shape[1])

        def distance(some: Floats) -> Floats:
            return np.asarray(np.sqrt((((some - mean) @ whitening) ** 2).sum(axis=1)))

        return distance


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
