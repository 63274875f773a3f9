"""What was sent, and may have been carried out, is told as such: never as a plain failure."""

from __future__ import annotations

from rsp_scripted import Scripted, executing, pass_time, stop
from rsp_stage import FAMILY, Stage

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport, TargetState

LOST = {"status": TargetState.READY, "execute": TargetState.UNCLEAR}


def test_a_refusal_after_a_lost_answer_is_critical(lone_stage: Stage) -> None:
    """The token expired after the plan was sent: nobody knows whether it was carried out."""
    incident, action, target = executing(lone_stage, LOST)
    lone_stage.worker.run_due()
    assert target.sent == 1
    target.says = {"status": TargetState.FAILED, "execute": TargetState.FAILED}
    pass_time(lone_stage, 5)
    row = lone_stage.action(action)
    assert row.state == "failed"
    assert "may have been carried out" in row.result["text"]
    assert lone_stage.incident_row(incident).severity == "critical"


def test_a_refusal_after_a_lost_answer_is_no_withdrawal(lone_stage: Stage) -> None:
    """Nor does it become one because actions were stopped meanwhile."""
    incident, action, target = executing(lone_stage, LOST)
    lone_stage.worker.run_due()
    target.says = {"status": TargetState.FAILED}
    stop(lone_stage)
    pass_time(lone_stage, 5)
    row = lone_stage.action(action)
    assert (row.state, target.sent) == ("failed", 1)
    assert "before it was carried out" not in row.result["text"]
    assert lone_stage.incident_row(incident).severity == "critical"


def test_a_refusal_at_first_is_a_plain_failure(lone_stage: Stage) -> None:
    incident, action, _ = executing(lone_stage, {"execute": TargetState.FAILED})
    before = lone_stage.incident_row(incident).severity
    lone_stage.worker.run_due()
    row = lone_stage.action(action)
    assert (row.state, row.executed_at) == ("failed", None)
    assert "may have been" not in row.result["text"]
    assert lone_stage.incident_row(incident).severity == before


def test_what_was_ended_meanwhile_is_not_sent(lone_stage: Stage) -> None:
    """Another process gave it up while this one asked the target how it stands."""
    _, action, target = executing(lone_stage, {})

    class Slow(Scripted):
        def status(self, plan: RollbackPlan) -> TargetReport:
            lone_stage.rollbacks.give_up(action, "it failed, 8 times in a row")
            return super().status(plan)

    slow = Slow()
    lone_stage.targets[FAMILY] = slow
    lone_stage.wire()
    lone_stage.worker.run_due()
    assert lone_stage.action(action).state == "failed"
    assert (slow.sent, target.sent) == (0, 0)


def test_one_that_was_carried_out_and_did_not_stay_counts_as_carried_out(
    lone_stage: Stage,
) -> None:
    """Its version was taken out of service all the same: cooldown and circle know of it."""
    says = {"execute": TargetState.EXECUTED, "verify": TargetState.CONFLICT}
    incident, action, _ = executing(lone_stage, says)
    lone_stage.worker.run_due()
    row = lone_stage.action(action)
    assert (row.state, row.executed_at) == ("failed", lone_stage.clock.now())
    assert lone_stage.incident_row(incident).severity == "critical"
