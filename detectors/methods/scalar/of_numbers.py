"""Detectors that take two rows of numbers."""

from __future__ import annotations

from typing import ClassVar

from numpy.typing import ArrayLike

from detectors.detector import Takes
from detectors.methods.samples import Floats, numbers
from detectors.methods.two_sample import TwoSample


class OfNumbers(TwoSample[ArrayLike, Floats]):
    """Takes (m,) and (n,) numbers; those that are not finite are left out."""

    takes: ClassVar[Takes] = Takes.SCALAR

    def _usable(
        self, reference: ArrayLike, current: ArrayLike
    ) -> tuple[Floats, Floats, tuple[int, int]]:
        before, lost_before = numbers(reference, "reference")
        now, lost_now = numbers(current, "current")
        return before, now, (lost_before, lost_now)
