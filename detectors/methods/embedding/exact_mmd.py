"""Maximum mean discrepancy with the full kernel and a permutation test."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.exact_mmd import permuted_sums
from detectors.methods.embedding.of_rows import OfRows
from detectors.methods.embedding.rows import PERMUTATIONS, Floats, permuted_root
from detectors.methods.two_sample import Found
from detectors.registry import register


@register
class ExactMMD(OfRows):
    """Maximum mean discrepancy of two samples of embeddings, Gaussian kernel, nothing approximated.

    Statistic: the unbiased ``MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) -
    2 mean k(x_i, y_j)`` of (m, d) and (n, d) rows, ``k(a, b) = exp(-|a - b|^2 / (2 l^2))``, l the
    median distance of the pooled rows unless given. It can be negative.

    Effect: root MMD, 0 where the unbiased square is negative; at most sqrt 2. 95 % interval: normal
    approximation of the square, the variance of its linear part plus that of the permuted values.

    Test: the rows change sides at random ``permutations`` times: exact for exchangeable rows.

    Cost: O((m + n)^2 (d + permutations)) time, O((m + n) (d + permutations / 4)) memory, in tiles;
    0.6 s for 2000 rows a side, d = 512, 999 permutations, on one core.

    Not for: more than some ten thousand rows, where mmd is as good and far faster; rows that
    depend on each other (frames of one video), which makes every permutation test cry wolf.

    Errors: ``ImportError`` or ``RuntimeError`` where torch or its device is not there; no data with
    fewer than 2 finite rows a side.

    Source: Gretton et al., A Kernel Two-Sample Test, JMLR 2012.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the root MMD up to which drift does not matter.
        permutations: at least ``1 / alpha - 1``, else the test can't reject.
        bandwidth: l.
        device: None for NumPy; ``"cpu"`` or ``"cuda"`` for torch, where it is installed.
        seed: of the permutations.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(200, 8)), rng.normal(0.5, 1.0, size=(200, 8))
        >>> print(ExactMMD().compare(x, y).outcome)
        drifted
    """

    name: ClassVar[str] = "exact_mmd"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "root MMD"
    needed = (2, 2)

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.15,
        permutations: int = PERMUTATIONS,
        bandwidth: float | None = None,
        device: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.permutations, self.bandwidth = permutations, bandwidth
        self.device, self.seed = device, seed

    def _found(self, before: Floats, now: Floats) -> Found:
        rng = np.random.default_rng(self.seed)
        sums = permuted_sums(before, now, self.permutations, rng, self.bandwidth, self.device)
        return permuted_root(sums.squares, sums.linear_variance)
