"""Divergences of numbers, over bins between the quantiles of the reference."""

from __future__ import annotations

from typing import ClassVar

from detectors.detector import ALPHA, Exactness
from detectors.methods.divergence import Divergence, compare_counts
from detectors.methods.samples import Floats
from detectors.methods.scalar.bins import binned, quantile_edges
from detectors.methods.scalar.of_numbers import OfNumbers
from detectors.methods.two_sample import Found


class BinnedDivergence(OfNumbers):
    """A divergence of the binned samples; approximate, as the bins come from the reference."""

    exactness: ClassVar[Exactness] = Exactness.APPROXIMATE
    divergence: ClassVar[Divergence]

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.1,
        bins: int = 10,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.bins, self.permutations, self.seed = bins, permutations, seed

    def _found(self, before: Floats, now: Floats) -> Found:
        edges = quantile_edges(before, self.bins)
        return compare_counts(
            self.divergence,
            binned(before, edges),
            binned(now, edges),
            permutations=self.permutations,
            seed=self.seed,
            details={"edges": edges},
        )
