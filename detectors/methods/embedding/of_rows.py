"""Detectors that take two matrices of rows."""

from __future__ import annotations

from typing import ClassVar

from numpy.typing import ArrayLike

from detectors.detector import Takes
from detectors.methods.embedding.rows import Floats, pair
from detectors.methods.two_sample import TwoSample


class OfRows(TwoSample[ArrayLike, Floats]):
    """Takes (m, d) and (n, d) numbers; rows that are not finite are left out."""

    takes: ClassVar[Takes] = Takes.EMBEDDING

    def _usable(
        self, reference: ArrayLike, current: ArrayLike
    ) -> tuple[Floats, Floats, tuple[int, int]]:
        return pair(reference, current)
