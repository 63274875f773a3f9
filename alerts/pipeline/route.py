"""Who hears of this?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from alerts.pipeline.case import Case
from alerts.pipeline.decision import Decision, Outcome
from alerts.routing.tree import DEFAULT_RECEIVERS, Route, choose
from alerts.types import AlertKind

NAME = "route"


class Routed:
    """The receivers of the routes that match. A ticket (drift from the baseline that crossed no
    guardrail) goes to no pager and is not escalated."""

    def __init__(self, routes: Sequence[Route], *, pagers: Collection[str] = ()) -> None:
        self._routes, self._pagers = routes, frozenset(pagers)

    def judge(self, case: Case) -> tuple[Decision, Case]:
        if case.quietens:
            reason = "to whoever was told"
            return Decision(stage=NAME, outcome=Outcome.PASS, reason=reason), case
        chosen = choose(self._routes, case.labels, at=case.at)
        others = [choose(self._routes, labels, at=case.at) for labels in case.also]
        receivers = tuple(
            dict.fromkeys(name for each in (chosen, *others) for name in each.receivers)
        )
        escalation, reason = chosen.escalation, chosen.reason
        if receivers != chosen.receivers:
            reason = f"{reason}, and the routes of the other models that feel it"
        if case.labels["alertname"] == AlertKind.BASELINE_DRIFT.value:
            awake = tuple(name for name in receivers if name not in self._pagers)
            if awake != receivers:
                reason = f"{reason}; a ticket goes to no pager"
            receivers, escalation = awake or DEFAULT_RECEIVERS, None
        reason = f"to {', '.join(receivers)}: {reason}"
        decision = Decision(stage=NAME, outcome=Outcome.CHANGE, reason=reason)
        return decision, replace(case, receivers=receivers, escalation=escalation)
