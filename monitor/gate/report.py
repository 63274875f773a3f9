"""What a gate found: checks with their numbers, and one outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PASSED, FAILED, BAD_INPUT, NOT_SURE = 0, 1, 2, 3
"""Exit codes of the command."""


class GateOutcome(StrEnum):
    """``inconclusive``: too little was there to say either."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Family(StrEnum):
    """What a check is about."""

    ACCURACY = "accuracy"
    SLICE = "slice"
    SCENARIO = "scenario"
    CALIBRATION = "calibration"
    LATENCY = "latency"
    COST = "cost"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that was held against its limit.

    ``value`` with its interval ``low`` to ``high`` is in ``unit`` and bad where it is large;
    ``limit`` is what it may reach. ``text`` says why the outcome is what it is.
    """

    family: Family
    name: str
    outcome: GateOutcome
    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    unit: str = ""
    records: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class GateReport:
    """``candidate``, ``control``: versions, or the files that hold their predictions. ``notes``:
    what was not checked, and why."""

    candidate: str
    control: str
    records: int
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> GateOutcome:
        """Failed where one check did; passed where all did, and there were some."""
        found = {check.outcome for check in self.checks}
        if GateOutcome.FAIL in found:
            return GateOutcome.FAIL
        return GateOutcome.PASS if found == {GateOutcome.PASS} else GateOutcome.INCONCLUSIVE

    @property
    def exit_code(self) -> int:
        codes = {GateOutcome.PASS: PASSED, GateOutcome.FAIL: FAILED}
        return codes.get(self.outcome, NOT_SURE)


def judge(low: float, high: float, limit: float) -> GateOutcome:
    """Where the interval of something bad lies: beyond its limit, within it, or on both sides."""
    if low > limit:
        return GateOutcome.FAIL
    return GateOutcome.PASS if high <= limit else GateOutcome.INCONCLUSIVE
