"""The guard of a softer action: the rollback's rules, as far as they apply. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.actions.guard import (
    Decision,
    GuardOutcome,
    Reason,
    ReasonCode,
    approval_reasons,
)
from alerts.actions.guard_facts import Approval
from monitor.controls.plan import ControlPlan

_APPROVABLE = {
    ReasonCode.FROZEN,
    ReasonCode.NOT_AUTOMATIC,
    ReasonCode.APPROVAL_EXPIRED,
    ReasonCode.APPROVAL_OF_ANOTHER_PLAN,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlFacts:
    """All that the guard looks at.

    Args:
        plan: with ``undoes`` where it takes one back: that is never refused for being one too many
            or too soon, nor because the incident is over.
        current: the value now, by the target; None where it can't tell.
        needs_approval: by the settings, for this kind of control.
        stopped_by: who set the fleet-wide stop; none where actions run.
        busy_with: an action on this model that has not finished.
        changed_today: controls of this model that were carried out in the last 24 h.
        last_changed_at: the last of them.
        frozen_by: the release freeze that the model is under, in words.
    """

    now: datetime
    plan: ControlPlan
    target_configured: bool
    current: str | None = None
    needs_approval: bool = True
    stopped_by: str | None = None
    incident_is_open: bool = True
    busy_with: str | None = None
    changed_today: int = 0
    max_per_day: int = 10
    last_changed_at: datetime | None = None
    cooldown_s: float = 60.0
    frozen_by: str | None = None
    approval: Approval | None = None
    approval_expires_s: float = 3600.0


def decide(facts: ControlFacts) -> Decision:
    """Allow, wait or refuse, with every reason. One refusal refuses; else one wait waits."""
    approved = approval_reasons(facts, facts.plan.hash)
    found = [*_against(facts), *approved, *_not_yet(facts, approved)]
    rank = {code: place for place, code in enumerate(ReasonCode)}
    reasons = tuple(sorted(found, key=lambda each: rank[each.code]))
    outcomes = {each.outcome for each in reasons}
    outcome = next(
        (one for one in (GuardOutcome.REFUSE, GuardOutcome.WAIT) if one in outcomes),
        GuardOutcome.ALLOW,
    )
    waits = {each.code for each in reasons if each.outcome is GuardOutcome.WAIT}
    return Decision(
        outcome=outcome,
        reasons=reasons,
        needs_approval=outcome is GuardOutcome.WAIT and bool(waits & _APPROVABLE),
        not_before=_rested_at(facts) if ReasonCode.COOLDOWN in waits else None,
    )


def _against(facts: ControlFacts) -> Iterator[Reason]:
    plan, refuse = facts.plan, GuardOutcome.REFUSE
    if facts.stopped_by is not None:
        yield _reason(
            refuse, ReasonCode.STOPPED, f"all actions are stopped (by {facts.stopped_by})"
        )
    if not facts.target_configured:
        text = "no target for controls is configured for this model"
        yield _reason(refuse, ReasonCode.NO_TARGET, text)
    if facts.current is not None and facts.current == plan.after:
        yield _reason(refuse, ReasonCode.ALREADY_SERVING, f"it is {_said(plan.after)} already")
    elif facts.current is not None and facts.current != plan.before:
        yield _reason(
            refuse,
            ReasonCode.SOMETHING_ELSE_SERVES,
            f"it is {_said(facts.current)} now, not {_said(plan.before)}: someone changed it",
        )
    if plan.undoes:
        return
    if not facts.incident_is_open:
        yield _reason(refuse, ReasonCode.INCIDENT_OVER, "the incident is resolved")
    if facts.changed_today >= facts.max_per_day:
        yield _reason(
            refuse,
            ReasonCode.TOO_MANY,
            f"{facts.changed_today} changes in 24 h, at most {facts.max_per_day} are allowed",
        )


def _not_yet(facts: ControlFacts, approved: list[Reason]) -> Iterator[Reason]:
    wait = GuardOutcome.WAIT
    if facts.busy_with is not None:
        text = f"one action at a time: {facts.busy_with} has not finished"
        yield _reason(wait, ReasonCode.BUSY, text)
    rested_at = _rested_at(facts)
    if rested_at is not None and facts.now < rested_at and not facts.plan.undoes:
        text = f"cooldown: {facts.cooldown_s:.0f} s must pass after the last change"
        yield _reason(wait, ReasonCode.COOLDOWN, text)
    if any(each.code is ReasonCode.APPROVED for each in approved):
        return
    if facts.frozen_by is not None:
        yield _reason(wait, ReasonCode.FROZEN, f"{facts.frozen_by}; waits for approval")
    if facts.needs_approval:
        text = f"a {facts.plan.what} is set with an approval only; waits for approval"
        yield _reason(wait, ReasonCode.NOT_AUTOMATIC, text)


def _rested_at(facts: ControlFacts) -> datetime | None:
    if facts.last_changed_at is None:
        return None
    return facts.last_changed_at + timedelta(seconds=facts.cooldown_s)


def _reason(outcome: GuardOutcome, code: ReasonCode, text: str) -> Reason:
    return Reason(outcome=outcome, code=code, text=text)


def _said(value: str) -> str:
    return value or "not set"
