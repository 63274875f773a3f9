"""Detectors that take two samples of class probabilities, the reference's with their truth."""

from __future__ import annotations

from typing import ClassVar

from detectors.detector import Takes
from detectors.methods.labels.labelled import Labelled, usable_pair
from detectors.methods.two_sample import TwoSample


class OfRecords(TwoSample[Labelled, Labelled]):
    """Takes m and n records; those not finite, or without a label that is needed, are left out.

    Labels that are needed and missing altogether, and classes that differ, are a ``ShapeError``.

    Attributes:
        needs_labels: whether the current records need their truth, as the reference's always do.
    """

    takes: ClassVar[Takes] = Takes.LABELLED
    needs_labels: ClassVar[bool] = True

    def _usable(
        self, reference: Labelled, current: Labelled
    ) -> tuple[Labelled, Labelled, tuple[int, int]]:
        return usable_pair(reference, current, current_labels=self.needs_labels)
