"""A rollback is carried out once, whatever dies or answers unclearly on the way."""

from __future__ import annotations

import pytest
from rsp_rollbacks import Counting, Dead, codes, ready, releases_of, work
from rsp_stage import FAMILY, Stage

from alerts.actions.plan import RollbackPlan
from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.targets.protocol import TargetReport, TargetState
from monitor.response.rollback import Rollbacks
from monitor.response.rollback_settling import Settlement
from monitor.store.tables import ReleaseRow


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
            patch.setattr(Settlement, "_executed", die)
        with pytest.raises(Dead):
            work(stage, steps=6)
    assert stage.action(action).state == "executing"
    assert stage.incident_row(incident).state == "mitigating"
    stage.open()
    work(stage, steps=6, each_s=30.0)
    assert stage.action(action).state == "verifying"
    assert stage.promotions == ["v1", "v2", "v1"]
    assert stage.timeline(incident).count("mitigated") == 1
    assert [row.version for row in releases_of(stage)] == ["v1", "v2", "v1"]


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
    assert queue.tasks


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
