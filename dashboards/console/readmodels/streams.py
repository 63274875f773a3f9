"""Signals over time and by slice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.console import words
from vigil.types import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalPoint:
    """One tick of one stream."""

    at: datetime
    z: float | None
    effect: float | None
    evidence: float | None
    mean: float | None
    records: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """A moment to draw through a plot: onset, detected, paged, mitigated, recovered, release."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalSeries:
    """One signal on one slice over time. ``threshold``: the evidence at which a page goes out."""

    signal: str
    kind: str
    unit: str
    description: str
    slice: str
    tolerance: float
    threshold: float
    points: tuple[SignalPoint, ...]
    status: Outcome
    baseline_mean: float | None = None

    @property
    def last(self) -> SignalPoint | None:
        return self.points[-1] if self.points else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceCell:
    """One signal on one slice now."""

    effect: float | None
    evidence: float | None
    tolerance: float
    threshold: float
    drifted: bool

    @property
    def level(self) -> int:
        """The heat of the cell: 0 calm, 1 and 2 some and much evidence, 3 drifted, 4 far.

        Evidence decides, not the effect: on a small slice chance alone makes large effects.
        """
        if self.drifted:
            return 4 if self.effect is not None and self.effect > 3 * self.tolerance > 0 else 3
        heat = words.heat(self.evidence, self.threshold)
        return 0 if heat < 0.3 else 1 if heat < 0.6 else 2


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceRow:
    slice: str
    records: int
    cells: tuple[SliceCell | None, ...]
    named: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceTable:
    """Slices by signals; rows are ordered with the worst first, after the whole."""

    signals: tuple[str, ...]
    rows: tuple[SliceRow, ...]
    left_out: int = 0
