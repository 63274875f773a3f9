"""Maximum mean discrepancy with the full kernel and a permutation test."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from detectors.detector import ALPHA, Comparison, Exactness, Takes, conclude, no_data
from detectors.exact_mmd import permuted_sums
from detectors.kernel_sums import share_as_large
from detectors.methods.embedding.rows import PERMUTATIONS, pair, root_effect
from detectors.registry import register

UNIT = "root MMD"


@register
class ExactMMD:
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
    takes: ClassVar[Takes] = Takes.EMBEDDING
    exactness: ClassVar[Exactness] = Exactness.EXACT

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
        self.alpha, self.tolerance, self.permutations = alpha, tolerance, permutations
        self.bandwidth, self.device, self.seed = bandwidth, device, seed

    def compare(self, reference: ArrayLike, current: ArrayLike) -> Comparison:
        """Compare (m, d) with (n, d); at least 2 finite rows each, else no data.

        Raises:
            ShapeError: not two matrices of one width.
            ImportError, RuntimeError: torch or its device is not there.
        """
        x, y, lost = pair(reference, current)
        if min(len(x), len(y)) < 2:
            return no_data(
                self.name, unit=UNIT, tolerance=self.tolerance, alpha=self.alpha, left_out=lost
            )
        rng = np.random.default_rng(self.seed)
        sums = permuted_sums(x, y, self.permutations, rng, self.bandwidth, self.device)
        squares = sums.squares
        return conclude(
            self.name,
            root_effect(
                float(squares[0]),
                noise=float(squares[1:].std()),
                linear=sums.linear_variance,
                tolerance=self.tolerance,
                unit=UNIT,
                records=len(y),
            ),
            statistic=float(squares[0]),
            p_value=share_as_large(squares),
            alpha=self.alpha,
            left_out=lost,
        )
