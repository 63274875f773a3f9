"""A rollback whose target says what it is told to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rsp_stage import FAMILY, Stage

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport, TargetState
from monitor.response import people
from monitor.store.tables import SwitchRow


@dataclass
class Scripted:
    """A target that says what it is told to, and notes what it was asked."""

    says: dict[str, TargetState | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    kind: str = "webhook"

    def _say(self, what: str) -> TargetReport:
        self.asked.append(what)
        state = self.says.get(what, TargetState.READY)
        if isinstance(state, Exception):
            raise state
        return TargetReport(state=state, text=f"it is {state.value}")

    def serving(self, model: str, deployment: str) -> str | None:
        return None

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        return self._say("dry_run")

    def execute(self, plan: RollbackPlan) -> TargetReport:
        return self._say("execute")

    def status(self, plan: RollbackPlan) -> TargetReport:
        return self._say("status")

    def verify(self, plan: RollbackPlan) -> TargetReport:
        return self._say("verify")

    @property
    def sent(self) -> int:
        return self.asked.count("execute")


def executing(stage: Stage, says: Mapping[str, TargetState | Exception]) -> tuple[Any, int, Any]:
    """A rollback that was allowed, by approval, and that the target has not been asked for yet."""
    target = Scripted(dict(says))
    stage.targets[FAMILY] = target
    stage.wire()
    incident, action = stage.bad_release()
    with stage.services.sessions.begin() as session:
        plan_hash = stage.action(action).plan_hash
        people.approve(session, action, plan_hash=plan_hash, actor="ann", at=stage.clock.now())
    stage.worker.run_due()
    assert stage.action(action).state == "executing"
    return incident, action, target


def stop(stage: Stage, value: str = "true") -> None:
    with stage.services.sessions.begin() as session:
        at = stage.clock.now()
        session.merge(SwitchRow(name="actions_stopped", value=value, actor="bob", at=at))


def pass_time(stage: Stage, seconds: float, step: float = 1.0) -> None:
    for _ in range(int(seconds / step)):
        stage.clock.advance(step)
        stage.worker.run_due()
