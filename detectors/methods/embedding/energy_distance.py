"""Energy distance of embeddings, with a permutation test."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.kernel_sums import (
    NegativeDistance,
    kernel_sums,
    labellings,
    median_length2,
)
from detectors.methods.embedding.of_rows import OfRows
from detectors.methods.embedding.rows import PERMUTATIONS, Floats, permuted_root
from detectors.methods.two_sample import Found
from detectors.registry import register

UNIT = "root energy coefficient"


@register
class EnergyDistance(OfRows):
    """Energy distance of two samples of embeddings: no bandwidth to choose.

    Statistic: the unbiased ``E = 2 mean |x_i - y_j| - mean_{i != j} |x_i - x_j| -
    mean_{i != j} |y_i - y_j|`` of (m, d) and (n, d) rows. It can be negative.

    Effect: the root of the energy coefficient ``E / (2 mean |x_i - y_j|)``, 0 to 1, 0 where E is
    negative. A normal signal shifted by s standard deviations has about s / 2 for small s.
    95 % interval: normal approximation of E (see ``root_size``), the variance of its linear part
    plus that of the permuted values; the denominator counts as known.

    Test: the rows change sides at random ``permutations`` times: exact for exchangeable rows.

    Cost: O((m + n)^2 (d + permutations)) time, O((m + n) (d + permutations / 4)) memory, in tiles;
    0.6 s for 2000 rows a side, d = 512, 999 permutations, on one core.

    Not for: heavy tails without a mean; changes in which all distances stay alike, as a small new
    cluster inside a wide cloud, where mmd with a short bandwidth is better.

    Errors: ``ImportError`` or ``RuntimeError`` where torch or its device is not there; no data with
    fewer than 2 finite rows a side.

    Source: Szekely and Rizzo, Energy Statistics: A Class of Statistics Based on Distances, Journal
    of Statistical Planning and Inference, 2013.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: the root energy coefficient up to which drift does not matter.
        permutations: at least ``1 / alpha - 1``, else the test can't reject.
        device: None for NumPy; ``"cpu"`` or ``"cuda"`` for torch, where it is installed.
        seed: of the permutations.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(200, 8)), rng.normal(0.5, 1.0, size=(200, 8))
        >>> print(EnergyDistance().compare(x, y).outcome)
        drifted
    """

    name: ClassVar[str] = "energy_distance"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = UNIT
    needed = (2, 2)

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.1,
        permutations: int = PERMUTATIONS,
        device: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.permutations, self.device, self.seed = permutations, device, seed

    def _found(self, before: Floats, now: Floats) -> Found:
        rng = np.random.default_rng(self.seed)
        rows = np.concatenate([before, now])
        kernel = NegativeDistance(median_length2(rows, rng))
        labels = labellings(len(before), len(now), self.permutations, rng)
        sums = kernel_sums(rows, labels, kernel, device=self.device)
        apart = max(-2.0 * float(sums.across[0]) / (len(before) * len(now)), 1e-300)
        return permuted_root(sums.squares, sums.linear_variance, scale=apart)
