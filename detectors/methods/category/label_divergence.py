"""Divergences of labels, over the categories that either side shows."""

from __future__ import annotations

from typing import ClassVar

from detectors.detector import Exactness
from detectors.methods.category.of_labels import Counted, OfLabels
from detectors.methods.divergence import Divergence, compare_counts
from detectors.methods.two_sample import Found


class LabelDivergence(OfLabels):
    """A divergence of the shares of the categories; exact under relabelling."""

    exactness: ClassVar[Exactness] = Exactness.EXACT
    divergence: ClassVar[Divergence]

    def _found(self, before: Counted, now: Counted) -> Found:
        return compare_counts(
            self.divergence,
            before.counts,
            now.counts,
            permutations=self.permutations,
            seed=self.seed,
            details={"categories": now.names},
        )
