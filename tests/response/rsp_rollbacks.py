"""What the tests of rollbacks share: a release to undo, a target that counts, a person's yes."""

from __future__ import annotations

import small_fleet as fleet
from rsp_stage import Stage, model_answers

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport
from alerts.actions.targets.registry import LocalRegistry
from monitor.response import people
from monitor.store.tables import ActionRow, ReleaseRow


class Dead(BaseException):
    """The process dies here."""


class Counting(LocalRegistry):
    """A registry that counts what it is asked; ``answers`` are given first."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage.registry.path, clock=stage.clock)
        self.asked: list[str] = []
        self.answers: list[TargetReport] = []

    def execute(self, plan: RollbackPlan) -> TargetReport:
        self.asked.append(plan.id)
        return self.answers.pop(0) if self.answers else super().execute(plan)


def ready(stage: Stage, scene: fleet.Scene = fleet.REGRESSED, temper: float = 1.0) -> None:
    """Baselines, windows of the incident with images, and a replay endpoint for v1."""
    stage.baselines()
    stage.traffic(scene)
    stage.replay_by(model_answers(temper))


def work(stage: Stage, steps: int = 4, each_s: float = 3.0) -> None:
    for _ in range(steps):
        stage.worker.run_due()
        stage.clock.advance(each_s)


def approve(stage: Stage, action_id: int, plan_hash: str | None = None) -> None:
    with stage.services.sessions.begin() as session:
        known = plan_hash or session.get_one(ActionRow, action_id).plan_hash
        people.approve(session, action_id, plan_hash=known, actor="ann", at=stage.clock.now())


def codes(row: ActionRow, outcome: str) -> set[str]:
    return {one["code"] for one in row.decision["reasons"] if one["outcome"] == outcome}


def releases_of(stage: Stage) -> list[ReleaseRow]:
    with stage.services.sessions() as session:
        return list(session.query(ReleaseRow).order_by(ReleaseRow.id))
