"""Actions under faults: one that fails holds up no other, and what was allowed once is judged again
before it is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import small_fleet as fleet
from rsp_scripted import executing, pass_time, stop
from rsp_stage import FAMILY, Stage

from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.queues.protocol import LabelQueueError
from alerts.actions.targets.protocol import TargetState
from monitor import leases
from monitor.response import attempts, people, relabel, rollback_proposal
from monitor.response.worker import MOST_FAILURES
from monitor.schedule.jobs import Leader
from vigil.errors import ConflictError


class BadQueue(MemoryLabelQueue):
    """A label queue that always fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.tries = error, 0

    def put(self, tasks: Any) -> Any:
        self.tries += 1
        raise self.error


def test_an_action_that_breaks_does_not_hold_up_the_next_one(lone_stage: Stage) -> None:
    queue = BadQueue(ZeroDivisionError("boom"))
    lone_stage.queues[FAMILY] = queue
    lone_stage.wire()
    lone_stage.baselines()
    lone_stage.traffic(replace(fleet.HEALTHY, version="v2"))
    _, bad = lone_stage.to_label()
    _, later = lone_stage.bad_release()
    lone_stage.clock.advance(30)
    lone_stage.worker.run_due()
    assert queue.tries == 1
    assert lone_stage.action(bad).state == "proposed"
    assert lone_stage.action(later).state != "proposed"


def test_a_label_queue_that_hangs_does_not_hold_up_a_rollback(lone_stage: Stage) -> None:
    """They are moved on by jobs of their own: this is the one of rollbacks."""
    queue = BadQueue(AssertionError("it was asked"))
    lone_stage.queues[FAMILY] = queue
    lone_stage.wire()
    lone_stage.baselines()
    lone_stage.traffic(replace(fleet.HEALTHY, version="v2"))
    lone_stage.to_label()
    _, later = lone_stage.bad_release()
    lone_stage.clock.advance(30)
    assert lone_stage.worker.run_due(kind=rollback_proposal.KIND) == 1
    assert queue.tries == 0
    assert lone_stage.action(later).state != "proposed"
    assert lone_stage.worker.run_due(kind=relabel.KIND) == 1
    assert queue.tries == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ZeroDivisionError("secret"), "unexpected ZeroDivisionError"),
        (LabelQueueError("labels: the disk is full"), "labels: the disk is full"),
    ],
)
def test_an_action_that_always_fails_is_tried_less_and_less_and_given_up(
    lone_stage: Stage, error: Exception, said: str
) -> None:
    queue = BadQueue(error)
    lone_stage.queues[FAMILY] = queue
    lone_stage.wire()
    lone_stage.baselines()
    lone_stage.traffic(replace(fleet.HEALTHY, version="v2"))
    incident, action = lone_stage.to_label()
    lone_stage.clock.advance(30)
    lone_stage.worker.run_due()
    pass_time(lone_stage, 29)
    assert 3 <= queue.tries <= 5  # 2, 4, 8, 16 s apart
    pass_time(lone_stage, 300)
    row = lone_stage.action(action)
    assert (row.state, queue.tries) == ("failed", MOST_FAILURES)
    assert said in row.result["text"]
    assert "secret" not in row.result["text"]
    assert "relabel_failed" in lone_stage.timeline(incident)
    assert [row.event for row in lone_stage.messages()] == ["trigger"]


def test_a_target_that_works_again_is_forgiven(lone_stage: Stage) -> None:
    _, action, target = executing(lone_stage, {"status": OSError("gone")})
    pass_time(lone_stage, 10)
    assert attempts.count(lone_stage.action(action).decision, attempts.FAILURES) == 3
    target.says = {"execute": TargetState.PENDING}
    pass_time(lone_stage, 8)
    assert attempts.count(lone_stage.action(action).decision, attempts.FAILURES) == 0
    assert lone_stage.action(action).state == "executing"


def test_the_emergency_stop_withdraws_a_rollback_that_was_not_sent(stage: Stage) -> None:
    incident, action, target = executing(stage, {})
    stop(stage)
    stage.worker.run_due()
    row = stage.action(action)
    assert (row.state, target.sent) == ("refused", 0)
    assert "stopped (by bob)" in row.result["text"]
    assert stage.incident_row(incident).state == "open"
    assert "mitigation_failed" in stage.timeline(incident)


def test_the_emergency_stop_is_not_overrun_by_repeats(lone_stage: Stage) -> None:
    """It was sent once, without an answer: it is asked after, and not sent again."""
    says = {"status": TargetState.UNCLEAR, "execute": TargetState.UNCLEAR}
    _, action, target = executing(lone_stage, says)
    lone_stage.worker.run_due()
    assert target.sent == 1
    stop(lone_stage)
    pass_time(lone_stage, 15)
    row = lone_stage.action(action)
    assert (row.state, target.sent) == ("executing", 1)
    assert "not sent again: all actions are stopped" in row.result["text"]
    target.says["status"] = TargetState.EXECUTED
    pass_time(lone_stage, 20)
    assert (lone_stage.action(action).state, target.sent) == ("verifying", 1)


def test_a_resolved_incident_sends_no_rollback(lone_stage: Stage) -> None:
    incident, action, target = executing(lone_stage, {})
    with lone_stage.services.sessions.begin() as session:
        people.resolve(session, incident.id, actor="ann", at=lone_stage.clock.now())
    lone_stage.worker.run_due()
    assert (lone_stage.action(action).state, target.sent) == ("refused", 0)


def test_an_approval_that_ran_out_before_it_was_sent_waits_again(lone_stage: Stage) -> None:
    lone_stage.open(automatic=False, approval_expires_s=5.0)
    _, action, target = executing(lone_stage, {"status": OSError("gone")})
    pass_time(lone_stage, 10)
    target.says = {}
    pass_time(lone_stage, 10)
    row = lone_stage.action(action)
    assert (row.state, target.sent) == ("waiting", 0)
    assert "the approval by ann" in row.result["text"]


def test_a_plan_that_was_carried_out_already_is_not_sent_again(lone_stage: Stage) -> None:
    _, action, target = executing(lone_stage, {"status": TargetState.EXECUTED})
    stop(lone_stage)
    lone_stage.worker.run_due()
    asked = ["dry_run", "status", "verify"]
    assert (lone_stage.action(action).state, target.asked) == ("verifying", asked)


def test_a_rollback_without_an_end_is_asked_after_patiently_and_then_escalated(
    lone_stage: Stage,
) -> None:
    incident, action, target = executing(lone_stage, {"execute": TargetState.PENDING})
    target_says = target.says
    lone_stage.worker.run_due()
    target_says["status"] = TargetState.PENDING
    pass_time(lone_stage, 19)
    assert lone_stage.action(action).state == "executing"
    assert (target.sent, target.asked.count("status")) == (1, 4)  # at 0, 2, 6 and 14 s
    pass_time(lone_stage, 60)
    row = lone_stage.action(action)
    assert row.state == "failed"
    assert "it is pending" in row.result["text"]
    seen = lone_stage.incident_row(incident)
    assert (seen.severity, seen.state) == ("critical", "open")


def test_a_cure_watched_on_a_resolved_incident_keeps_no_other_waiting(lone_stage: Stage) -> None:
    incident, _, _ = executing(lone_stage, {"status": TargetState.EXECUTED})
    lone_stage.worker.run_due()
    with lone_stage.services.sessions.begin() as session:
        people.resolve(session, incident.id, actor="ann", at=lone_stage.clock.now())
    _, second = lone_stage.propose(fingerprint="b" * 32)
    lone_stage.worker.run_due()
    reasons = {each["code"] for each in lone_stage.action(second).decision["reasons"]}
    assert reasons & {"busy", "cooldown"} == {"cooldown"}


def test_a_counterfactual_that_cannot_be_had_is_tried_less_and_less(lone_stage: Stage) -> None:
    asked = []

    def away(request: httpx.Request) -> httpx.Response:
        asked.append(lone_stage.clock.now())
        return httpx.Response(503)

    lone_stage.baselines()
    lone_stage.traffic(fleet.REGRESSED)
    _, action = lone_stage.bad_release()
    lone_stage.replay_by(away)
    lone_stage.worker.run_due()
    pass_time(lone_stage, 180)
    assert lone_stage.action(action).state == "waiting"
    assert 6 <= len(asked) <= 9  # after 2, 4, 8, 16, 32, 60 and 60 s
    stop(lone_stage)
    pass_time(lone_stage, 4)
    assert lone_stage.action(action).state == "refused"


def test_without_a_replay_endpoint_no_image_is_read(lone_stage: Stage, monkeypatch: Any) -> None:
    lone_stage.baselines()
    lone_stage.traffic(fleet.REGRESSED)
    _, action = lone_stage.bad_release()

    def read(*_: Any, **__: Any) -> Any:
        raise AssertionError("images were read")

    monkeypatch.setattr(type(lone_stage.samples), "read", read)
    lone_stage.worker.run_due()
    row = lone_stage.action(action)
    assert row.state == "waiting"
    assert "neither an endpoint nor a function" in row.decision["interlock"]["text"]


def test_a_process_that_lost_the_lease_decides_nothing(stage: Stage) -> None:
    _, action = stage.bad_release()
    leader = Leader(stage.services, holder="first")
    assert leader.is_mine()
    with stage.services.sessions.begin() as session:
        later = stage.clock.now() + timedelta(seconds=60)
        assert leases.acquire(session, leases.SCHEDULER, holder="second", now=later, seconds=60.0)
    stage.worker.run_due(leader.check)
    assert stage.action(action).state == "proposed"
    stage.worker.run_due()
    assert stage.action(action).state != "proposed"


def test_a_fence_without_a_lease_refuses(lone_stage: Stage) -> None:
    leader = Leader(lone_stage.services, holder="first")
    with lone_stage.services.sessions() as session, pytest.raises(ConflictError, match="first"):
        leader.check(session)
