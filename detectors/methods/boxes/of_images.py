"""Detectors that take two sets of images with their boxes."""

from __future__ import annotations

from typing import ClassVar

from detectors.detector import Takes
from detectors.methods.boxes.boxes import Boxes, usable_pair
from detectors.methods.two_sample import TwoSample


class OfImages(TwoSample[Boxes, Boxes]):
    """Takes m and n images; boxes that are not finite are left out.

    Attributes:
        needs_truth: both sides need true boxes: a ``ShapeError`` where they are not given, nothing
            to compare where there are none.
    """

    takes: ClassVar[Takes] = Takes.BOXES
    needs_truth: ClassVar[bool]

    def _usable(self, reference: Boxes, current: Boxes) -> tuple[Boxes, Boxes, tuple[int, int]]:
        return usable_pair(reference, current, truth=self.needs_truth)

    def _enough(self, before: Boxes, now: Boxes) -> bool:
        enough = super()._enough(before, now)
        if not self.needs_truth:
            return enough
        return enough and all(len(side.truth[0]) > 0 for side in (before, now))
