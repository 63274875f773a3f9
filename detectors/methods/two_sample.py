"""What the comparisons of two samples share: read both, say where there is too little, conclude.

A method states only what it finds in two usable samples. For each kind of sample one class reads
it: ``OfNumbers``, ``OfLabels``, ``OfRows``, ``OfRecords``, ``OfImages``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from detectors.detector import Comparison, Exactness, Takes, conclude, no_data
from vigil.types import Effect

Given = TypeVar("Given")
Usable = TypeVar("Usable", bound=Sized)


class Size(NamedTuple):
    """How large a difference is, with its 95 % interval, in the unit of the method."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a method finds in two usable samples; see ``Comparison``."""

    size: Size
    statistic: float
    p_value: float
    details: Mapping[str, Any] = field(default_factory=dict)


class TwoSample(ABC, Generic[Given, Usable]):
    """A detector that compares two samples after leaving out what is not usable.

    Attributes:
        unit: of the effect.
        needed: usable records of the reference and of the current sample below which there is
            nothing to compare.
    """

    name: ClassVar[str]
    takes: ClassVar[Takes]
    exactness: ClassVar[Exactness]
    unit: str
    needed: ClassVar[tuple[int, int]] = (1, 1)

    def __init__(self, *, alpha: float, tolerance: float) -> None:
        self.alpha, self.tolerance = alpha, tolerance

    def compare(self, reference: Given, current: Given) -> Comparison:
        """Compare m records of a reference with n current ones, of the shape the class names.

        Raises:
            ShapeError: a sample has another shape.
        """
        before, now, lost = self._usable(reference, current)
        if not self._enough(before, now):
            return no_data(
                self.name, unit=self.unit, tolerance=self.tolerance, alpha=self.alpha, left_out=lost
            )
        found = self._found(before, now)
        effect = Effect(
            value=found.size.value,
            low=found.size.low,
            high=found.size.high,
            tolerance=self.tolerance,
            unit=self.unit,
            records=len(now),
        )
        return conclude(
            self.name,
            effect,
            statistic=found.statistic,
            p_value=found.p_value,
            alpha=self.alpha,
            left_out=lost,
            details=found.details,
        )

    @abstractmethod
    def _usable(self, reference: Given, current: Given) -> tuple[Usable, Usable, tuple[int, int]]:
        """The usable part of both sides, and how much of each was left out."""

    @abstractmethod
    def _found(self, before: Usable, now: Usable) -> Found:
        """What the method finds; both sides are large enough."""

    def _enough(self, before: Usable, now: Usable) -> bool:
        return len(before) >= self.needed[0] and len(now) >= self.needed[1]
