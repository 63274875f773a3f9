"""Detectors that take two rows of labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from numpy.typing import ArrayLike

from detectors.detector import ALPHA, Takes
from detectors.methods.samples import Counts, category_counts
from detectors.methods.two_sample import TwoSample


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Counted:
    """How often each of the K categories of both samples occurs in one; its length is n."""

    counts: Counts
    names: tuple[int | str, ...]

    def __len__(self) -> int:
        return int(self.counts.sum())


class OfLabels(TwoSample[ArrayLike, Counted]):
    """Takes (m,) and (n,) labels: integers, texts or booleans; what is missing is left out.

    A label on one side that is a number and a text on the other is a ``ShapeError``.
    """

    takes: ClassVar[Takes] = Takes.CATEGORY

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.1,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.permutations, self.seed = permutations, seed

    def _usable(
        self, reference: ArrayLike, current: ArrayLike
    ) -> tuple[Counted, Counted, tuple[int, int]]:
        before, now, names, lost = category_counts(reference, current)
        return Counted(counts=before, names=names), Counted(counts=now, names=names), lost
