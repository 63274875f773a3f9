"""What a comparison of two tables found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detectors.detector import Comparison, Takes
from monitor.detect.shapes import Shape
from vigil.types import WHOLE, Outcome, Slice

HEALTHY, DRIFTED, BAD_INPUT, NOT_SURE = 0, 1, 2, 3
"""Exit codes of the command."""

_ORDER = (Outcome.DRIFTED, Outcome.INCONCLUSIVE, Outcome.NO_DATA, Outcome.HEALTHY)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One comparison, after Holm's correction over the whole report.

    Attributes:
        comparison: its ``p_value`` is the adjusted one, its outcome follows from that.
        p_raw: the p-value before the correction; None where the detector has no test.
        decides: it has a say in the column's outcome. A detector without a test has none beside
            one with a test: its effect is shown.
    """

    comparison: Comparison
    p_raw: float | None
    decides: bool

    @property
    def severity(self) -> float:
        """The lower bound of the effect, in tolerances."""
        effect = self.comparison.effect
        return effect.low / effect.tolerance if effect.tolerance > 0 else effect.low


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnFinding:
    """What was found of one column on one slice.

    Attributes:
        records: (reference, current) rows compared, missing ones included.
        missing: (reference, current) of them that held no usable value.
        judged: the detectors' comparisons, the deciding ones first, the worst first.
        reason: why nothing could be compared, or empty.
    """

    name: str
    kind: Takes
    slice: Slice = WHOLE
    outcome: Outcome
    records: tuple[int, int]
    missing: tuple[int, int] = (0, 0)
    judged: tuple[Judged, ...] = ()
    reason: str = ""
    shape: Shape | None = None

    @property
    def leading(self) -> Judged | None:
        return self.judged[0] if self.judged else None

    @property
    def severity(self) -> float:
        return max((one.severity for one in self.judged if one.decides), default=0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """Two tables compared.

    Attributes:
        reference, current: their names.
        rows: rows compared of (reference, current).
        columns: the whole tables, column by column, worst first.
        slices: the same on each slice, worst first.
        worst_slice: the slice with the most severe drift; None where none drifted.
        lives_in: the slice of up to two fields that covers the drift best; None where it is
            everywhere, or nothing drifted.
        schema: differences of the two schemas, in sentences.
        left_out: columns that were not compared, and why.
        notes: whatever else was decided for the reader: samples drawn, slices not shown.
        tests: comparisons that share ``alpha``.
        sentence: the answer in words.
    """

    reference: str
    current: str
    rows: tuple[int, int]
    alpha: float
    tests: int
    columns: tuple[ColumnFinding, ...]
    slices: tuple[ColumnFinding, ...] = ()
    worst_slice: Slice | None = None
    lives_in: Slice | None = None
    schema: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sentence: str = ""

    @property
    def outcome(self) -> Outcome:
        """Drifted where a column drifted, anywhere; else what the whole columns say together."""
        if any(one.outcome is Outcome.DRIFTED for one in (*self.columns, *self.slices)):
            return Outcome.DRIFTED
        found = {one.outcome for one in self.columns}
        if found == {Outcome.HEALTHY}:
            return Outcome.HEALTHY
        return Outcome.NO_DATA if found <= {Outcome.NO_DATA} else Outcome.INCONCLUSIVE

    @property
    def exit_code(self) -> int:
        codes = {Outcome.HEALTHY: HEALTHY, Outcome.DRIFTED: DRIFTED}
        return codes.get(self.outcome, NOT_SURE)

    @property
    def drifted(self) -> tuple[ColumnFinding, ...]:
        return tuple(one for one in self.columns if one.outcome is Outcome.DRIFTED)


def outcome_of(judged: Sequence[Judged]) -> Outcome:
    """A column's outcome from its deciding comparisons.

    Drifted where one is; healthy where all are; no data where none had any; else inconclusive.
    """
    found = {one.comparison.outcome for one in judged if one.decides}
    if Outcome.DRIFTED in found:
        return Outcome.DRIFTED
    if found == {Outcome.HEALTHY}:
        return Outcome.HEALTHY
    return Outcome.NO_DATA if found <= {Outcome.NO_DATA} else Outcome.INCONCLUSIVE


def worst_first(findings: Sequence[ColumnFinding]) -> tuple[ColumnFinding, ...]:
    return tuple(
        sorted(findings, key=lambda one: (_ORDER.index(one.outcome), -one.severity, one.name))
    )
