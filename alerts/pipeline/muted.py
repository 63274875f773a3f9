"""What silences and maintenance windows have in common: someone asked for quiet until then."""

from __future__ import annotations

from dataclasses import replace

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision, Outcome
from alerts.silences.silence import SilenceKind, find
from alerts.silences.words import at_minute

_NAMES = {SilenceKind.SILENCE: "silence", SilenceKind.MAINTENANCE: "maintenance window"}


def quiet(case: Case, *, stage: str, kind: SilenceKind, what: str) -> tuple[Decision, Case]:
    """A stop where a silence of this kind holds; what quietens an incident always passes."""
    if case.quietens:
        reason = "what quietens is told to whoever was told"
        return Decision(stage=stage, outcome=Outcome.PASS, reason=reason), case
    silence = find(case.known.silences, case.labels, case.at, kinds=(kind,))
    if silence is None:
        reason = f"no {_NAMES[kind]} matches it"
        return Decision(stage=stage, outcome=Outcome.PASS, reason=reason), case
    until = silence.until(case.at)
    ends = f" until {at_minute(until)}" if until else ""
    reason = f"{what} {silence.name}{ends}"
    decision = Decision(stage=stage, outcome=Outcome.STOP, reason=reason, until=until)
    return decision, replace(case, silence=silence)
