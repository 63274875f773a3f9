"""A rollback is carried out once, or not at all and with every reason; nothing else happens."""

from __future__ import annotations

from datetime import timedelta

import httpx
import numpy as np
import pytest
import small_fleet as fleet
from rsp_stage import FAMILY, Stage, model_answers

from alerts.actions.label_queue import MemoryLabelQueue
from alerts.actions.plan import RollbackPlan
from alerts.actions.replay import pack_reply, unpack_request
from alerts.actions.targets.protocol import TargetReport, TargetState
from alerts.actions.targets.registry import LocalRegistry
from alerts.types import AlertKind
from monitor.response import people
from monitor.response.rollback import Rollbacks
from monitor.store import switches
from monitor.store.tables import ActionRow, ReleaseRow
from vigil.types import Cause


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


def test_what_all_rules_allow_is_carried_out_once_and_then_watched(stage: Stage):
    incident, action = stage.bad_release()
    ready(stage)
    work(stage)
    row = stage.action(action)
    assert row.state == "verifying", row.result
    assert stage.promotions == ["v1", "v2", "v1"]
    assert codes(row, "allow") >= {"began_with_release", "target_better", "known_good"}
    moved = stage.incident_row(incident)
    assert (moved.state, moved.mitigated_at) == ("monitoring", row.executed_at)
    with stage.services.sessions() as session:
        last = session.query(ReleaseRow).order_by(ReleaseRow.id.desc()).first()
    assert last is not None
    assert (last.version, last.previous, last.origin) == ("v1", "v2", "rollback")
    assert any("Rolled back" in message.message["change"] for message in stage.messages())
    work(stage)
    assert stage.promotions == ["v1", "v2", "v1"]


@pytest.mark.parametrize("where", ["after the decision", "in the target", "before the commit"])
def test_a_process_killed_on_the_way_carries_it_out_once_all_the_same(
    stage: Stage, monkeypatch, where: str
):
    incident, action = stage.bad_release()
    ready(stage)
    target = Counting(stage)
    stage.targets[FAMILY] = target
    stage.wire()

    def die(*_: object, **__: object) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        if where == "after the decision":
            patch.setattr(Rollbacks, "_execute", die)
        elif where == "in the target":
            done = Counting.execute

            def execute_and_die(self: Counting, plan: RollbackPlan) -> TargetReport:
                done(self, plan)
                raise Dead

            patch.setattr(Counting, "execute", execute_and_die)
        else:
            patch.setattr(Rollbacks, "_executed", die)
        with pytest.raises(Dead):
            work(stage, steps=6)
    assert stage.action(action).state == "executing"
    assert stage.incident_row(incident).state == "mitigating"
    stage.open()
    work(stage, steps=6, each_s=30.0)
    assert stage.action(action).state == "verifying"
    assert stage.promotions == ["v1", "v2", "v1"]
    assert stage.timeline(incident).count("mitigated") == 1
    assert [row.version for row in _releases(stage)] == ["v1", "v2", "v1"]


def _releases(stage: Stage) -> list[ReleaseRow]:
    with stage.services.sessions() as session:
        return list(session.query(ReleaseRow).order_by(ReleaseRow.id))


def test_an_unclear_answer_is_asked_again_and_counted_once(stage: Stage):
    _, action = stage.bad_release()
    ready(stage)
    target = Counting(stage)
    away = TargetReport(state=TargetState.UNCLEAR, text="no answer")
    target.answers = [away, TargetReport(state=TargetState.PENDING, text="at work")]
    stage.targets[FAMILY] = target
    stage.wire()
    work(stage, steps=2, each_s=0.5)
    assert stage.action(action).state == "executing"
    work(stage, steps=6)
    assert stage.action(action).state == "verifying"
    assert len(target.asked) >= 3
    assert len(set(target.asked)) == 1
    assert stage.promotions == ["v1", "v2", "v1"]


def test_a_refusal_tells_every_reason_and_changes_nothing(stage: Stage):
    incident, action = stage.bad_release(
        known_good=False, kind=AlertKind.INPUT_FAULT, cause=Cause.INPUT_FAULT
    )
    with stage.services.sessions.begin() as session:
        switches.set_switch(
            session, switches.ACTIONS_STOPPED, True, actor="bob", at=stage.clock.now()
        )
    stage.registry.promote(*FAMILY, "v7", actor="ci")
    work(stage)
    row = stage.action(action)
    assert row.state == "refused"
    assert codes(row, "refuse") == {"cause", "not_known_good", "something_else_serves", "stopped"}
    assert row.result["text"].count(";") >= 3
    assert stage.promotions == ["v1", "v2", "v7"]
    assert stage.timeline(incident).count("rollback_refused") == 1
    work(stage)
    assert [message.event for message in stage.messages()] == ["trigger"]


def test_a_target_that_is_no_better_on_the_same_images_is_refused(stage: Stage):
    """The interlock: what v1 makes of the incident's own images is as bad."""
    _, action = stage.bad_release()
    ready(stage, temper=0.3)
    work(stage)
    row = stage.action(action)
    assert (row.state, "no_better" in codes(row, "refuse")) == ("refused", True)
    assert stage.promotions == ["v1", "v2"]


def test_what_waits_for_a_person_goes_when_that_person_says_so(stage: Stage):
    stage.open(automatic=False)
    incident, action = stage.bad_release()
    ready(stage)
    work(stage)
    row = stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"not_automatic"})
    assert stage.timeline(incident).count("rollback_waits") == 1
    assert stage.promotions == ["v1", "v2"]
    approve(stage, action)
    work(stage)
    row = stage.action(action)
    assert (row.state, row.approved_by) == ("verifying", "ann")
    assert stage.promotions[-1] == "v1"


def test_an_approval_expires(stage: Stage):
    stage.open(automatic=False, approval_expires_s=60.0)
    _, action = stage.bad_release()
    ready(stage)
    work(stage)
    approve(stage, action)
    stage.clock.advance(61.0)
    work(stage)
    row = stage.action(action)
    assert row.state == "waiting"
    assert "approval_expired" in codes(row, "wait")
    assert stage.promotions == ["v1", "v2"]


def test_a_dry_run_rehearses_and_changes_nothing(stage: Stage):
    stage.open(dry_run=True)
    incident, action = stage.bad_release()
    ready(stage)
    work(stage)
    row = stage.action(action)
    assert (row.state, "Rehearsed only" in row.result["text"]) == ("done", True)
    assert row.executed_at is None
    assert stage.promotions == ["v1", "v2"]
    assert stage.incident_row(incident).state == "open"
    assert stage.messages()[-1].event == "trigger"


def test_a_registry_that_someone_changed_meanwhile_is_left_alone(stage: Stage):
    """Between the decision and the execution somebody released v3."""
    incident, action = stage.bad_release()
    ready(stage)
    execute = stage.registry.execute

    class Racing(Counting):
        def execute(self, plan: RollbackPlan) -> TargetReport:
            if not self.asked:
                stage.registry.promote(*FAMILY, "v3", actor="carol")
            self.asked.append(plan.id)
            return execute(plan)

    stage.targets[FAMILY] = Racing(stage)
    stage.wire()
    work(stage, steps=6)
    row = stage.action(action)
    assert row.state == "failed"
    assert "v3" in row.result["text"]
    assert stage.promotions == ["v1", "v2", "v3"]
    assert stage.incident_row(incident).state == "open"
    assert "v3" in stage.messages()[-1].message["note"]


def test_the_stop_switch_refuses(stage: Stage):
    _, action = stage.bad_release()
    ready(stage)
    with stage.services.sessions.begin() as session:
        switches.set_switch(
            session, switches.ACTIONS_STOPPED, True, actor="bob", at=stage.clock.now()
        )
    work(stage)
    row = stage.action(action)
    assert (row.state, codes(row, "refuse")) == ("refused", {"stopped"})
    assert "bob" in row.result["text"]


def test_the_stop_switch_stops_a_rollback_that_was_decided_but_never_sent(
    stage: Stage, monkeypatch
):
    _, action = stage.bad_release()
    ready(stage)

    def die(*_: object, **__: object) -> None:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(Rollbacks, "_execute", die)
        with pytest.raises(Dead):
            work(stage)
    assert stage.action(action).state == "executing"
    with stage.services.sessions.begin() as session:
        switches.set_switch(
            session, switches.ACTIONS_STOPPED, True, actor="bob", at=stage.clock.now()
        )
    work(stage, steps=6)
    assert stage.promotions == ["v1", "v2"]
    assert stage.action(action).state in ("refused", "failed")


def test_a_second_rollback_waits_for_the_cooldown(stage: Stage):
    stage.open(cooldown_s=600.0)
    first, action = stage.bad_release()
    ready(stage)
    work(stage)
    with stage.services.sessions.begin() as session:
        row = session.get_one(ActionRow, action)
        row.state, row.finished_at = "recovered", stage.clock.now()
        people.resolve(session, first.id, actor="ann", at=stage.clock.now())
    stage.registry.promote(*FAMILY, "v2", actor="ci")
    _, again = stage.propose(fingerprint="e" * 32)
    work(stage)
    row = stage.action(again)
    assert (row.state, codes(row, "wait")) == ("waiting", {"cooldown"})
    assert stage.promotions == ["v1", "v2", "v1", "v2"]
    stage.clock.advance(600.0)
    work(stage)
    assert stage.promotions == ["v1", "v2", "v1", "v2", "v1"]


def test_an_incident_that_was_resolved_during_verification_does_not_block_the_next_rollback(
    stage: Stage,
):
    """Whoever closes an incident ends its verification: the model is not busy for ever."""
    stage.open(cooldown_s=0.0)
    first, _ = stage.bad_release()
    ready(stage)
    work(stage)
    with stage.services.sessions.begin() as session:
        people.resolve(session, first.id, actor="ann", at=stage.clock.now())
    stage.registry.promote(*FAMILY, "v2", actor="ci")
    stage.clock.advance(30.0)
    _, again = stage.propose(fingerprint="e" * 32)
    work(stage)
    assert stage.action(again).state == "verifying"


def hanging(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("slow", request=request)


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def nan_reply(request: httpx.Request) -> httpx.Response:
    return model_answers(float("nan"))(request)


ENDPOINTS = {
    "gave no answer": hanging,
    "out of reach": away,
    "does not have v1": lambda request: httpx.Response(404),
    "answered 500": lambda request: httpx.Response(500),
    "does not fit": lambda request: httpx.Response(200, content=b"garbage"),
    "which is what drifted": nan_reply,
}


@pytest.mark.parametrize("why", list(ENDPOINTS))
def test_without_a_counterfactual_it_waits_for_a_person_with_the_reason(lone_stage: Stage, why):
    stage = lone_stage
    _, action = stage.bad_release()
    ready(stage)
    stage.replay_by(ENDPOINTS[why])
    work(stage)
    row = stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"no_counterfactual"})
    assert why in row.result["text"]
    assert stage.promotions == ["v1", "v2"]
    approve(stage, action)
    work(stage, each_s=30.0)
    assert stage.promotions == ["v1", "v2", "v1"]


def test_a_reply_of_another_shape_waits_too_and_holds_nobody_up(lone_stage: Stage):
    """Probabilities of three classes where the baseline has five, embeddings of another width."""

    def answer(request: httpx.Request) -> httpx.Response:
        version, images = unpack_request(request.content)
        odd = np.full((len(images), 3), 1 / 3, np.float32)
        return httpx.Response(200, content=pack_reply(version, odd, odd))

    _, action = lone_stage.bad_release()
    ready(lone_stage)
    lone_stage.replay_by(answer)
    work(lone_stage)
    assert lone_stage.action(action).state in ("waiting", "refused")
    assert lone_stage.promotions == ["v1", "v2"]


@pytest.mark.parametrize("why", ["endpoint", "baseline", "images"])
def test_without_what_a_counterfactual_needs_it_waits_for_a_person(lone_stage: Stage, why: str):
    _, action = lone_stage.bad_release()
    if why != "endpoint":
        lone_stage.replay_by(model_answers())
    if why != "baseline":
        lone_stage.baselines()
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == "waiting"
    assert why in row.result["text"]


def test_without_an_earlier_version_it_is_refused(lone_stage: Stage):
    lone_stage.release("v2", None, fleet.NOON - timedelta(days=1))
    _, action = lone_stage.propose()
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == "refused"
    assert "no_target_version" in codes(row, "refuse")


def test_a_damaged_registry_holds_up_no_other_action(stage: Stage):
    """What one model's target does is no reason to leave another's images unqueued."""
    _, broken = stage.bad_release()
    ready(stage)
    queue = MemoryLabelQueue()
    stage.queues[FAMILY] = queue
    stage.wire()
    _, label = stage.to_label(fingerprint="d" * 32)
    stage.registry.path.write_text("{ torn")
    work(stage, steps=6)
    assert stage.action(label).state == "done"
    assert stage.action(broken).state != "verifying"
    assert list(queue.batches) != []


def test_a_target_that_raises_is_given_up_in_the_end_and_people_are_told(stage: Stage):
    _, action = stage.bad_release()
    ready(stage)

    class Raising(Counting):
        def execute(self, plan: RollbackPlan) -> TargetReport:
            raise RuntimeError("boom")

    stage.targets[FAMILY] = Raising(stage)
    stage.wire()
    work(stage, steps=30, each_s=60.0)
    assert stage.action(action).state == "failed"
    assert stage.messages() != []
