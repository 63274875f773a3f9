"""What Flagger is answered: each of its hooks reads a status in its own way. Pure.

``rollback`` is the dangerous one: there 2xx means *roll back*. A hook that we do not know is
refused, since nobody can say what its 2xx would mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from monitor.canary.verdict import Result, Verdict
from monitor.gate.report import GateOutcome


class Hook(StrEnum):
    """Flagger's types of webhook.

    The ``confirm-*`` hooks pause until 2xx; ``pre-rollout`` and ``rollout`` count failures and roll
    back at the threshold; ``rollback`` rolls back at 2xx; the others are only told.
    """

    CONFIRM_ROLLOUT = "confirm-rollout"
    PRE_ROLLOUT = "pre-rollout"
    ROLLOUT = "rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"
    POST_ROLLOUT = "post-rollout"
    ROLLBACK = "rollback"
    EVENT = "event"


@dataclass(frozen=True, kw_only=True, slots=True)
class HookAnswer:
    """``yes`` is answered with 200, the rest with 412."""

    yes: bool
    text: str

    @property
    def status(self) -> int:
        return 200 if self.yes else 412


def answer(hook: Hook, verdict: Verdict, *, frozen_by: str | None = None) -> HookAnswer:
    """What to say at a hook.

    * ``rollback``: yes only with evidence that the candidate is worse.
    * ``confirm-promotion``: yes only with evidence that it is not.
    * ``confirm-rollout``: no under a release freeze, after a gate that failed, or with evidence.
    * ``confirm-traffic-increase``, ``pre-rollout``, ``rollout``: no only with evidence.
    """
    why = "; ".join(verdict.reasons)
    fails = verdict.result is Result.FAIL
    if hook is Hook.ROLLBACK:
        return HookAnswer(yes=fails, text=why if fails else f"no evidence against it: {why}")
    if hook is Hook.CONFIRM_PROMOTION:
        return HookAnswer(yes=verdict.result is Result.PASS, text=why)
    if hook in (Hook.POST_ROLLOUT, Hook.EVENT):
        return HookAnswer(yes=True, text="noted")
    if hook is Hook.CONFIRM_ROLLOUT:
        if frozen_by is not None:
            return HookAnswer(yes=False, text=frozen_by)
        if verdict.evidence.gate is GateOutcome.FAIL:
            return HookAnswer(yes=False, text=f"the gate of {verdict.evidence.candidate} failed")
    return HookAnswer(yes=not fails, text=why)
