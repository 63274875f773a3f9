"""Distance to the k-th nearest reference row as out-of-distribution score."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np

from detectors.detector import ALPHA
from detectors.methods.embedding.exceedance import FarOut, nearest
from detectors.methods.embedding.rows import Floats
from detectors.registry import register


@register
class KnnDistance(FarOut):
    """Distance to the k-th nearest reference row, and the share of records that it puts far out.

    Statistic: the share of the (n, d) current rows whose distance to their k-th nearest row in one
    half of the reference is beyond the q-quantile of that distance in the other half. Euclidean
    between rows as they are, or between rows scaled to length one (``metric="cosine"``, where
    ``|a - b|^2 = 2 (1 - cos)``).

    Effect: that share less the 1 - q that the reference has there; -(1 - q) to q. 95 % interval:
    Wilson's for the share and the exact beta interval of the quantile, added in quadrature.

    Test: the other half of the reference and the current rows are exchangeable without drift, so
    the count beyond is beta-binomial: exact at any size, on the safe side where distances tie.

    Cost: O(m (m + n) d / 2) time, O((m + n) d) memory, in blocks; 0.2 s for 2000 rows a side,
    d = 512, on one core.

    Not for: drift towards where the reference is dense; more than some ten thousand reference
    rows, of which a sample does.

    Source: Sun, Ming, Zhu and Li, Out-of-Distribution Detection with Deep Nearest Neighbors,
    ICML 2022.

    Details: ``threshold``, ``expected`` share, ``calibration`` rows; no data with fewer than 4
    finite rows of the reference.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the excess share up to which drift does not matter.
        k: which neighbour; the farthest where there are fewer.
        metric: ``"euclidean"`` or ``"cosine"``.
        quantile: q.
        seed: of the split.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> reference = rng.normal(size=(1000, 8))
        >>> print(KnnDistance().compare(reference, rng.normal(0, 2, size=(500, 8))).outcome)
        drifted
        >>> KnnDistance().fit(reference).p_values(np.full((1, 8), 9.0)).round(4).tolist()
        [0.002]
    """

    name: ClassVar[str] = "knn_distance"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        k: int = 10,
        metric: Literal["euclidean", "cosine"] = "euclidean",
        quantile: float = 0.95,
        seed: int = 0,
    ) -> None:
        if k < 1 or metric not in ("euclidean", "cosine"):
            raise ValueError(f"expected k >= 1 and euclidean or cosine, found {k} and {metric!r}")
        super().__init__(alpha=alpha, tolerance=tolerance, quantile=quantile, seed=seed)
        self.k, self.metric = k, metric

    def _scorer(self, learn: Floats) -> Callable[[Floats], Floats]:
        # Only float32 precision is lost to a mean far from zero; an angle needs the origin.
        origin = np.zeros(learn.shape[1]) if self.metric == "cosine" else learn.mean(axis=0)
        k = min(self.k, len(learn))

        def placed(some: Floats) -> Floats:
            moved = some - origin
            if self.metric == "euclidean":
                return moved
            length = np.linalg.norm(moved, axis=1, keepdims=True)
            return np.asarray(moved / np.maximum(length, 1e-300))

        bank = placed(learn).astype(np.float32)
        return lambda some: nearest(placed(some), bank, k)
