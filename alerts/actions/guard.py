"""The guard of a rollback: may it go, must it wait, or must it not happen? With all the reasons.

Pure. Every rule speaks, not just the first that fails, because a person at night wants the whole
picture; refusals come first, then what it waits for, then what speaks for it. An incident whose
cause does not call for a rollback is judged all the same, so that its page can say why none was
made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.actions.guard_facts import ApprovalFacts, GuardFacts
from alerts.actions.interlock import InterlockOutcome
from alerts.actions.plan import RollbackPlan
from vigil.types import Cause


class GuardOutcome(StrEnum):
    ALLOW = "allow"
    WAIT = "wait"
    REFUSE = "refuse"


class ReasonCode(StrEnum):
    """Declared most telling first within each group."""

    # against
    CAUSE = "cause"
    NO_BETTER = "no_better"
    NOT_CAUSED_BY_RELEASE = "not_caused_by_release"
    NO_TARGET_VERSION = "no_target_version"
    NOT_KNOWN_GOOD = "not_known_good"
    LOOP = "loop"
    DIFFERENT_SCHEMA = "different_schema"
    NOT_DEPLOYABLE = "not_deployable"
    ALREADY_SERVING = "already_serving"
    SOMETHING_ELSE_SERVES = "something_else_serves"
    STOPPED = "stopped"
    NO_TARGET = "no_target"
    INCIDENT_OVER = "incident_over"
    TOO_MANY = "too_many"
    # not yet
    BUSY = "busy"
    COOLDOWN = "cooldown"
    TARGET_AWAY = "target_away"
    DATA_MISSING = "data_missing"
    FROZEN = "frozen"
    NO_COUNTERFACTUAL = "no_counterfactual"
    PROVISIONAL = "provisional"
    NOT_AUTOMATIC = "not_automatic"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_OF_ANOTHER_PLAN = "approval_of_another_plan"
    # for it
    APPROVED = "approved"
    BEGAN_WITH_RELEASE = "began_with_release"
    TARGET_BETTER = "target_better"
    KNOWN_GOOD = "known_good"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    outcome: GuardOutcome
    code: ReasonCode
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """``needs_approval``: a person's yes would turn this wait into a go."""

    outcome: GuardOutcome
    reasons: tuple[Reason, ...]
    needs_approval: bool = False
    not_before: datetime | None = None

    @property
    def text(self) -> str:
        """The reasons that made the outcome, in a sentence each."""
        deciding = [each.text for each in self.reasons if each.outcome is self.outcome]
        return "; ".join(deciding)

    def to_json(self) -> dict[str, object]:
        return {
            "outcome": self.outcome.value,
            "needs_approval": self.needs_approval,
            "not_before": self.not_before.isoformat() if self.not_before else None,
            "reasons": [
                {"outcome": each.outcome.value, "code": each.code.value, "text": each.text}
                for each in self.reasons
            ],
        }


_FUTILE = {
    Cause.INPUT_FAULT: "the images are at fault, and every version would see the same images",
    Cause.DOMAIN_SHIFT: "the world changed; an older version knows it no better",
    Cause.NO_DATA: "there is no data, so nothing says that the model is at fault",
    Cause.UNKNOWN: "its cause is unknown, so a rollback might do harm",
}
_APPROVABLE = {
    ReasonCode.DATA_MISSING,
    ReasonCode.FROZEN,
    ReasonCode.NO_COUNTERFACTUAL,
    ReasonCode.PROVISIONAL,
    ReasonCode.NOT_AUTOMATIC,
    ReasonCode.APPROVAL_EXPIRED,
    ReasonCode.APPROVAL_OF_ANOTHER_PLAN,
}


def decide(facts: GuardFacts) -> Decision:
    """Allow, wait or refuse. One refusal refuses; else one wait waits; else it goes."""
    approved = approval_reasons(facts, facts.plan.hash if facts.plan else None)
    found = [*_against(facts), *approved, *_not_yet(facts, approved), *_in_favour(facts)]
    rank = {code: place for place, code in enumerate(ReasonCode)}
    reasons = tuple(sorted(found, key=lambda each: rank[each.code]))
    outcomes = {each.outcome for each in reasons}
    if GuardOutcome.REFUSE in outcomes:
        outcome = GuardOutcome.REFUSE
    elif GuardOutcome.WAIT in outcomes:
        outcome = GuardOutcome.WAIT
    else:
        outcome = GuardOutcome.ALLOW
    waits = {each.code for each in reasons if each.outcome is GuardOutcome.WAIT}
    return Decision(
        outcome=outcome,
        reasons=reasons,
        needs_approval=outcome is GuardOutcome.WAIT and bool(waits & _APPROVABLE),
        not_before=_cooldown_ends(facts) if ReasonCode.COOLDOWN in waits else None,
    )


def _refuse(code: ReasonCode, text: str) -> Reason:
    return Reason(outcome=GuardOutcome.REFUSE, code=code, text=text)


def _wait(code: ReasonCode, text: str) -> Reason:
    return Reason(outcome=GuardOutcome.WAIT, code=code, text=text)


def _allow(code: ReasonCode, text: str) -> Reason:
    return Reason(outcome=GuardOutcome.ALLOW, code=code, text=text)


def _against(facts: GuardFacts) -> Iterator[Reason]:
    plan = facts.plan
    if facts.cause in _FUTILE:
        yield _refuse(
            ReasonCode.CAUSE,
            f"a rollback does not cure {_words(facts.cause)}: {_FUTILE[facts.cause]}",
        )
    elif not facts.began_with_release:
        yield _refuse(
            ReasonCode.NOT_CAUSED_BY_RELEASE,
            f"{_words(facts.cause)} did not begin with the release",
        )
    if facts.interlock and facts.interlock.outcome is InterlockOutcome.NO_BETTER:
        yield _refuse(ReasonCode.NO_BETTER, facts.interlock.text)
    if plan is None:
        yield _refuse(ReasonCode.NO_TARGET_VERSION, "no earlier version is known to go back to")
    else:
        yield from _against_plan(plan, facts)
    if facts.stopped_by is not None:
        yield _refuse(ReasonCode.STOPPED, f"all actions are stopped (by {facts.stopped_by})")
    if not facts.target_configured:
        yield _refuse(ReasonCode.NO_TARGET, "no rollback target is configured for this model")
    if not facts.incident_is_open:
        yield _refuse(ReasonCode.INCIDENT_OVER, "the incident is resolved")
    if facts.rollbacks_today >= facts.max_per_day:
        yield _refuse(
            ReasonCode.TOO_MANY,
            f"{facts.rollbacks_today} rollbacks in 24 h, at most {facts.max_per_day} are allowed",
        )


def _against_plan(plan: RollbackPlan, facts: GuardFacts) -> Iterator[Reason]:
    if not facts.known_good:
        yield _refuse(
            ReasonCode.NOT_KNOWN_GOOD,
            f"{plan.to_version} is not known good: it has not served well here before",
        )
    if facts.loop is not None:
        yield _refuse(ReasonCode.LOOP, f"it would go in a circle: {facts.loop}")
    theirs, ours = facts.schemas
    if theirs and ours and theirs != ours:
        yield _refuse(
            ReasonCode.DIFFERENT_SCHEMA,
            f"{plan.to_version} has schema {ours}, {plan.from_version} has {theirs}: those who "
            "send images and read predictions may not fit it",
        )
    if facts.undeployable is not None:
        yield _refuse(
            ReasonCode.NOT_DEPLOYABLE,
            f"{plan.to_version} can't be put in service: {facts.undeployable}",
        )
    if facts.serving == plan.to_version:
        yield _refuse(ReasonCode.ALREADY_SERVING, f"{plan.to_version} serves already")
    elif facts.serving is not None and facts.serving != plan.from_version:
        yield _refuse(
            ReasonCode.SOMETHING_ELSE_SERVES,
            f"{facts.serving} serves now, not {plan.from_version}: someone changed it",
        )


def approval_reasons(facts: ApprovalFacts, plan_hash: str | None) -> list[Reason]:
    """What an approval says of the plan with this hash: approved, expired, or of another plan."""
    approval, expires_s, frozen_by = facts.approval, facts.approval_expires_s, facts.frozen_by
    if approval is None or plan_hash is None:
        return []
    if approval.plan_hash != plan_hash:
        text = f"{approval.by} approved another plan ({approval.plan_hash[:12]})"
        return [_wait(ReasonCode.APPROVAL_OF_ANOTHER_PLAN, text)]
    age_s = (facts.now - approval.at).total_seconds()
    if age_s > expires_s:
        text = f"the approval by {approval.by} is {age_s:.0f} s old; it held {expires_s:.0f} s"
        return [_wait(ReasonCode.APPROVAL_EXPIRED, text)]
    in_spite = f", in spite of the {frozen_by}" if frozen_by else ""
    return [_allow(ReasonCode.APPROVED, f"approved by {approval.by}{in_spite}")]


def _cooldown_ends(facts: GuardFacts) -> datetime | None:
    if facts.last_rollback_at is None:
        return None
    return facts.last_rollback_at + timedelta(seconds=facts.cooldown_s)


def _not_yet(facts: GuardFacts, approval: list[Reason]) -> Iterator[Reason]:
    if facts.busy_with is not None:
        yield _wait(ReasonCode.BUSY, f"one action at a time: {facts.busy_with} has not finished")
    ends = _cooldown_ends(facts)
    if facts.last_rollback_at is not None and ends is not None and facts.now < ends:
        age_s = (facts.now - facts.last_rollback_at).total_seconds()
        yield _wait(
            ReasonCode.COOLDOWN,
            f"cooldown: the last rollback was {age_s:.0f} s ago, "
            f"{facts.cooldown_s:.0f} s must pass",
        )
    if facts.target_away is not None:
        yield _wait(
            ReasonCode.TARGET_AWAY,
            f"the target can't say whether it could: {facts.target_away}; asked again",
        )
    if any(each.code is ReasonCode.APPROVED for each in approval):
        return
    if facts.data_missing is not None:
        yield _wait(
            ReasonCode.DATA_MISSING,
            f"data is missing ({facts.data_missing}), so nothing would show whether it helped; "
            "waits for the data, or for approval",
        )
    if facts.frozen_by is not None:
        yield _wait(ReasonCode.FROZEN, f"{facts.frozen_by}; waits for approval")
    interlock = facts.interlock
    if interlock is None or interlock.outcome is InterlockOutcome.UNAVAILABLE:
        why = interlock.text if interlock else "no counterfactual: it was not tried"
        yield _wait(ReasonCode.NO_COUNTERFACTUAL, f"{why}; waits for approval")
    if facts.provisional:
        yield _wait(
            ReasonCode.PROVISIONAL,
            "the verdict is provisional (too little history); waits for approval",
        )
    if not facts.automatic:
        yield _wait(
            ReasonCode.NOT_AUTOMATIC,
            "automatic rollback is off for this model; waits for approval",
        )


def _in_favour(facts: GuardFacts) -> Iterator[Reason]:
    if facts.cause not in _FUTILE and facts.began_with_release:
        yield _allow(ReasonCode.BEGAN_WITH_RELEASE, "it began with the release")
    if facts.interlock and facts.interlock.outcome is InterlockOutcome.BETTER:
        yield _allow(ReasonCode.TARGET_BETTER, facts.interlock.text)
    if facts.plan is not None and facts.known_good:
        yield _allow(
            ReasonCode.KNOWN_GOOD, f"{facts.plan.to_version} is known good: it served well before"
        )
    if facts.dry_run:
        yield _allow(ReasonCode.DRY_RUN, "dry run: the steps are rehearsed, nothing is changed")


def _words(cause: Cause) -> str:
    article = "an" if cause.value[0] in "aeiou" else "a"
    if cause is Cause.NO_DATA:
        return "missing data"
    return f"{article} {cause.value.replace('_', ' ')}" if cause is not Cause.UNKNOWN else "this"
