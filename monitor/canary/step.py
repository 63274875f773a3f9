"""One look at a canary: further units in, a standing out. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from detectors.evidence.canary import CanaryVerdict, Decision
from detectors.methods.labels.labelled import Floats
from monitor.canary.ratio import split_is_wrong
from monitor.canary.state import CanaryState
from monitor.canary.units import Units

_LARGEST = 1e300


class CanaryOutcome(StrEnum):
    """How a canary stands. ``void``: its split is not the one that was announced. ``ended``: a
    person ended it undecided."""

    RUNNING = "running"
    ACCEPT = "accept"
    ROLLBACK = "rollback"
    VOID = "void"
    ENDED = "ended"


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """``accept`` and ``rollback`` are factors of evidence; ``1 / alpha`` decides."""

    outcome: CanaryOutcome
    reason: str
    accept: float
    rollback: float
    difference: float
    units: tuple[int, int]
    result: dict[str, Any]


def count_units(state: CanaryState, units: Units) -> Standing:
    """Bet on further units; the split is looked at first, since every bet rests on it."""
    new = int(units.is_new.sum())
    state.counted[0] += len(units.is_new) - new
    state.counted[1] += new
    state.left_out += units.left_out
    state.seen = units.seen
    if split_is_wrong(state.counted[0], state.counted[1], state.test.share):
        return _standing(state, state.test.look(), void=True)
    return _standing(state, state.test.add(units.is_new, units.loss))


def count_outputs(state: CanaryState, is_new: Floats, output: Floats, windows: int) -> None:
    """Bet on what the outputs say of the version; it decides nothing."""
    if len(output):
        state.outputs.add(is_new, output)
        state.outputs_differ = state.outputs_differ or state.outputs.differs
    state.windows = max(state.windows, windows)


def look(state: CanaryState) -> Standing:
    return _standing(state, state.test.look())


def _standing(state: CanaryState, verdict: CanaryVerdict, *, void: bool = False) -> Standing:
    outcome = {
        Decision.ACCEPT: CanaryOutcome.ACCEPT,
        Decision.ROLLBACK: CanaryOutcome.ROLLBACK,
        Decision.CONTINUE: CanaryOutcome.RUNNING,
    }[verdict.decision]
    reason = verdict.reason
    if void:
        outcome = CanaryOutcome.VOID
        old, new = state.counted
        reason = (
            f"{new} of {old + new} labelled units reached the new version, and {state.test.share:g}"
            " of them should: the split is not as announced, or labels of one version come later"
        )
    return Standing(
        outcome=outcome,
        reason=reason,
        accept=_factor(verdict.accept),
        rollback=_factor(verdict.rollback),
        difference=verdict.difference,
        units=verdict.units,
        result={
            "reason": reason,
            "difference": verdict.difference,
            "units": list(verdict.units),
            "left_out": state.left_out,
            "outputs_differ": state.outputs_differ,
            "outputs_evidence": _factor(state.outputs.evidence),
            "separator": state.rules.separator,
            "least_inclusion": state.rules.least_inclusion,
        },
    )


def _factor(log_evidence: float) -> float:
    return min(math.exp(min(log_evidence, 690.0)), _LARGEST)
