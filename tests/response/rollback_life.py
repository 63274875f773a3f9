"""The life of an approved rollback, which can be killed between any two of its steps.

Run as a program it is a zygote, as ``crash_story`` is.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import small_fleet as fleet
from crash_story import Boundaries, zygote
from sqlalchemy import event, select

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport
from alerts.actions.targets.registry import LocalRegistry
from monitor.response.announce import Announcer
from monitor.response.relabel import Relabelling
from monitor.response.rollback import Rollbacks
from monitor.response.worker import ActionWorker
from monitor.store.tables import ActionRow
from vigil.clock import ManualClock

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
MOST_STEPS = 12


class Watched(LocalRegistry):
    """A registry between two boundaries: each thing that it is asked, before and after."""

    boundaries: Boundaries

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        self.boundaries.pass_one()
        return super().dry_run(plan)

    def execute(self, plan: RollbackPlan) -> TargetReport:
        self.boundaries.pass_one()
        report = super().execute(plan)
        self.boundaries.pass_one()
        return report

    def status(self, plan: RollbackPlan) -> TargetReport:
        self.boundaries.pass_one()
        return super().status(plan)

    def verify(self, plan: RollbackPlan) -> TargetReport:
        self.boundaries.pass_one()
        return super().verify(plan)


def play(
    database: str, registry: str, *, start: str, kill_at: int | None, real: bool
) -> Boundaries:
    """One process, from whatever is in the database until the rollback is watched, or to its
    death (``crash_story.Dead``, or signal 9 where it is ``real``)."""
    boundaries = Boundaries(kill_at=kill_at, real=real)
    clock = ManualClock(datetime.fromisoformat(start))
    target = Watched(registry, clock=clock)
    target.boundaries = boundaries
    services = fleet.opened(
        database, clock, watched={"rollback": fleet.rollback(Path(registry), automatic=False)}
    )
    announcer = Announcer(services.settings, services.runbooks)
    worker = ActionWorker(
        services,
        Rollbacks(services, announcer, {FAMILY: target}, {}),
        Relabelling(services, announcer, {}),
    )
    event.listen(services.engine, "commit", boundaries.pass_one)
    event.listen(services.sessions._write, "after_commit", boundaries.pass_one)
    try:
        for _ in range(MOST_STEPS):
            worker.run_due()
            with services.sessions() as session:
                state = session.scalar(select(ActionRow.state))
            if state not in ("proposed", "waiting", "executing"):
                break
            clock.advance(3.0)
    finally:
        services.close()
    return boundaries


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    zygote(play)
