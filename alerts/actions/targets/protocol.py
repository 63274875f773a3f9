"""What every rollback target can do. The same plan may be sent twice: it is carried out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from alerts.actions.plan import RollbackPlan


class TargetState(StrEnum):
    """How a plan stands at its target.

    * ``ready``: it could be carried out now. ``pending``: it is being carried out.
    * ``executed``: the target version serves, by this plan.
    * ``conflict``: something else serves than the plan supposes; nothing was changed.
    * ``failed``: refused or impossible; trying again will not help.
    * ``unclear``: no answer; it may or may not have happened. Ask ``status``, or send it again.
    """

    READY = "ready"
    PENDING = "pending"
    EXECUTED = "executed"
    CONFLICT = "conflict"
    FAILED = "failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetReport:
    state: TargetState
    text: str
    receipt: Mapping[str, str] = field(default_factory=dict)


class RollbackTarget(Protocol):
    """All methods answer with a report; none raises because the target is away or refuses."""

    @property
    def kind(self) -> str: ...

    def serving(self, model: str, deployment: str) -> str | None:
        """The version that serves; None where the target can't tell."""
        ...

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        """Whether ``execute`` would go through now; changes nothing."""
        ...

    def execute(self, plan: RollbackPlan) -> TargetReport:
        """Carry it out, or report what came of it where that was done before."""
        ...

    def status(self, plan: RollbackPlan) -> TargetReport:
        """How the plan stands; changes nothing."""
        ...

    def verify(self, plan: RollbackPlan) -> TargetReport:
        """What the system itself says serves now, whoever put it there; changes nothing.

        ``executed``: ``to_version`` serves, all of it. ``pending``: it is on its way.
        ``conflict``: something else serves. ``failed``: it will not come (a rollout that gave up).
        ``unclear``: the system can't tell, or doesn't answer; the windows have to decide.
        """
        ...
