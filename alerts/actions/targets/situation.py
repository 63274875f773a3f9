"""What a system says of itself, and what that means for a plan. Pure: no input, no output."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport, TargetState


class Mark(StrEnum):
    """What the system remembers of a plan.

    * ``none``: nothing. ``sent``: it was begun, and may have been carried out.
    * ``done``: it was carried out, whatever happened since.
    """

    NONE = "none"
    SENT = "sent"
    DONE = "done"


class Arrival(StrEnum):
    """How far the version that the system wants to serve has come.

    * ``complete``: it takes all traffic. ``under_way``: not yet all. ``gave_up``: it will not.
    """

    COMPLETE = "complete"
    UNDER_WAY = "under_way"
    GAVE_UP = "gave_up"


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """Args:
    serving: the version that the system is set to serve; None: it can't be told.
    mark: what the system remembers of the plan.
    arrival: how far ``serving`` has come, with ``arrival_text`` for people.
    obstacle: why ``to_version`` could not be put back now; empty: it could.
    means: what would be done to put ``to_version`` back, for people.
    token: what must still hold when the system is changed, such as a resource version.
    """

    serving: str | None
    mark: Mark = Mark.NONE
    arrival: Arrival = Arrival.COMPLETE
    arrival_text: str = ""
    obstacle: str = ""
    means: str = ""
    token: str = ""


def standing(plan: RollbackPlan, now: Situation) -> TargetReport:
    """How the plan stands: the answer to ``status``."""
    if now.mark is not Mark.NONE and now.serving == plan.to_version:
        return _arrival(plan, now)
    if now.mark is Mark.DONE:
        text = f"{plan.to_version} was put back; since then {_named(now)} was put in its place"
        return _report(TargetState.EXECUTED, text, plan, now)
    if now.serving != plan.from_version:
        text = f"expected {plan.from_version} to serve, found {_named(now)}"
        return _report(TargetState.CONFLICT, text, plan, now)
    text = f"{plan.from_version} serves; {plan.to_version} would"
    text = f"{text}, by {now.means}" if now.means else text
    return _report(TargetState.READY, text, plan, now)


def rehearsed(plan: RollbackPlan, now: Situation) -> TargetReport:
    """Whether the plan could be carried out now, as far as one can tell without trying."""
    stands = standing(plan, now)
    if stands.state is TargetState.READY and now.obstacle:
        return _report(TargetState.FAILED, now.obstacle, plan, now)
    return stands


def verified(plan: RollbackPlan, now: Situation) -> TargetReport:
    """What serves, whoever put it there: the answer to ``verify``."""
    if now.serving is None:
        return _report(TargetState.UNCLEAR, "it can't be told which version serves", plan, now)
    if now.serving != plan.to_version:
        return _report(TargetState.CONFLICT, f"{now.serving} serves", plan, now)
    return _arrival(plan, now)


def _arrival(plan: RollbackPlan, now: Situation) -> TargetReport:
    state, text = {
        Arrival.COMPLETE: (TargetState.EXECUTED, f"{plan.to_version} serves"),
        Arrival.UNDER_WAY: (TargetState.PENDING, f"{plan.to_version} is on its way"),
        Arrival.GAVE_UP: (TargetState.FAILED, f"{plan.to_version} did not come up"),
    }[now.arrival]
    return _report(state, f"{text}: {now.arrival_text}" if now.arrival_text else text, plan, now)


def _named(now: Situation) -> str:
    return now.serving or "no version that is known"


def _report(state: TargetState, text: str, plan: RollbackPlan, now: Situation) -> TargetReport:
    receipt = {"plan_id": plan.id, "serving": now.serving or "", "mark": now.mark.value}
    return TargetReport(state=state, text=text, receipt=receipt)
