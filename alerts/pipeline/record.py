"""What is worth a line in the timeline?"""

from __future__ import annotations

from dataclasses import replace

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision, Outcome

NAME = "record"


class Record:
    """Decisions that differ from the last one of their stage. A pass is worth a line only where it
    ends something else, so that a storm of the same alerts writes nothing."""

    def judge(self, case: Case) -> tuple[Decision, Case]:
        changed = [] if case.quietens else [each for each in case.decisions if _is_new(each, case)]
        written = tuple(_ended(each, case) for each in changed)
        reason = f"{len(written)} of {len(case.decisions)} decisions changed"
        decision = Decision(stage=NAME, outcome=Outcome.PASS, reason=reason)
        return decision, replace(case, written=written)


def _is_new(decision: Decision, case: Case) -> bool:
    before = case.before.get(decision.stage)
    if decision.outcome is Outcome.PASS:
        return before is not None and before.outcome is not Outcome.PASS
    return before != decision


def _ended(decision: Decision, case: Case) -> Decision:
    before = case.before.get(decision.stage)
    if decision.outcome is Outcome.PASS and before is not None and before.outcome is Outcome.STOP:
        return replace(decision, reason=f"no longer held back: {decision.reason}")
    return decision
