"""And if nobody answers?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision, Outcome
from alerts.routing.escalation import Policy

NAME = "escalate"


class Escalate:
    """Names the policy that begins to run when the incident is told; someone who has it already
    stops it."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = policies

    def judge(self, case: Case) -> tuple[Decision, Case]:
        policy = self._policies.get(case.escalation or "")
        if case.quietens or policy is None:
            return _pass("nothing to escalate" if case.quietens else "no escalation"), case
        if case.incident is not None and case.incident.acknowledged_at is not None:
            return _pass("someone has it: it is not escalated"), replace(case, escalation=None)
        first = policy.steps[0]
        reason = (
            f"escalation {policy.name}: to {', '.join(first.receivers)} after {first.after_s:g} s "
            "without an acknowledgement"
        )
        return Decision(stage=NAME, outcome=Outcome.CHANGE, reason=reason), case


def _pass(reason: str) -> Decision:
    return Decision(stage=NAME, outcome=Outcome.PASS, reason=reason)
