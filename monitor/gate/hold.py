"""All checks of a gate in order. Pure: evaluations and rules in, a report out."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.gate.accuracy import accuracy_checks, against, against_baseline, asked_slices
from monitor.gate.budgets import budget_checks
from monitor.gate.calibration import calibration_check
from monitor.gate.errors import GateError
from monitor.gate.evaluation import Evaluation, aligned
from monitor.gate.report import Check, GateReport
from monitor.gate.scenarios import Suite, scenario_checks
from monitor.settings.gate import Gate
from monitor.settings.schema import Guardrail
from vigil.windows.baseline import Baseline


def hold(
    candidate: Evaluation,
    control: Evaluation | Baseline,
    rules: Gate,
    *,
    guardrails: Sequence[Guardrail] = (),
    keys: Sequence[str] = (),
    suite: Suite | None = None,
    names: tuple[str, str] | None = None,
) -> GateReport:
    """Hold a candidate against the version that serves.

    Args:
        candidate: what it said of the evaluation set.
        control: what the version that serves said of the same records, or its baseline: then
            records differ, and calibration, latency and cost are not compared.
        rules: margins and budgets.
        guardrails: slices that must be there; ``keys``: columns whose values are slices.
        suite: scenarios; None where there are none.
        names: of (candidate, control) in the report.

    Raises:
        GateError: what can't be compared.
    """
    notes: list[str] = []
    everything = candidate
    other: Evaluation | None = None
    if isinstance(control, Baseline):
        if control.outcomes is None:
            raise GateError(f"the baseline of {control.model} was built without labels")
        losses = against_baseline(control.outcomes, candidate)
        notes.append(
            "the control is its baseline, on other records: calibration, latency and cost are not "
            "compared, and intervals are wider"
        )
    else:
        candidate, other = aligned(candidate, control)
        alone = len(everything) - len(candidate), len(control) - len(other)
        if any(alone):
            notes.append(
                f"{len(candidate)} records are in both; {alone[0]} and {alone[1]} are only in the "
                "candidate's and the control's"
            )
        losses = against(other, candidate)
    asked, left_out = asked_slices(candidate, rules, guardrails, keys)
    checks = list(accuracy_checks(candidate, losses, asked, rules))
    if suite is not None:
        checks += scenario_checks(everything, suite)
    checks += _calibration(candidate, other, rules, notes)
    checks += budget_checks(candidate, other, rules)
    stands_for = str(control.model) if isinstance(control, Baseline) else control.name
    said = names or (everything.name, stands_for)
    return GateReport(
        candidate=said[0],
        control=said[1],
        records=len(candidate),
        checks=tuple(checks),
        notes=(*notes, *left_out),
    )


def _calibration(
    candidate: Evaluation, control: Evaluation | None, rules: Gate, notes: list[str]
) -> list[Check]:
    if control is None:
        return []
    if candidate.labelled is None or control.labelled is None:
        notes.append("calibration is not compared: that takes a column probabilities on both sides")
        return []
    return [calibration_check(control.labelled, candidate.labelled, rules)]
