"""What the guard asks of the target and of the past before a rollback goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import small_fleet as fleet
from rsp_rollbacks import Counting, approve, codes, ready, work
from rsp_stage import FAMILY, Stage

from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import TargetReport, TargetState
from alerts.types import AlertKind, Disposition
from monitor.response import people, record
from monitor.response.rollback_past import loop_of
from monitor.response.rollback_proposal import propose
from monitor.store import installation
from monitor.store.tables import ActionRow, ReleaseRow, ServingSpanRow
from vigil.types import Cause, Slice


@dataclass
class Says(Counting):
    """A registry whose rehearsal or proof says something else."""

    stage: Stage
    says: dict[str, TargetState] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.stage)

    def _or(self, what: str, real: TargetReport) -> TargetReport:
        self.heard.append(what)
        if what not in self.says:
            return real
        return TargetReport(state=self.says[what], text=f"{what} says {self.says[what].value}")

    def dry_run(self, plan: RollbackPlan) -> TargetReport:
        return self._or("dry_run", super().dry_run(plan))

    def verify(self, plan: RollbackPlan) -> TargetReport:
        return self._or("verify", super().verify(plan))


def on_a_target_that(stage: Stage, says: Mapping[str, TargetState]) -> tuple[Any, int, Says]:
    target = Says(stage, dict(says))
    stage.targets[FAMILY] = target
    incident, action = stage.bad_release()
    ready(stage)
    return incident, action, target


def test_a_version_that_can_no_longer_be_deployed_is_refused_before_anything_is_sent(
    lone_stage: Stage,
):
    _, action, target = on_a_target_that(lone_stage, {"dry_run": TargetState.FAILED})
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "refuse")) == ("refused", {"not_deployable"})
    assert "dry_run says failed" in row.result["text"]
    assert target.asked == []


def test_a_target_that_is_away_is_asked_again_and_then_it_goes(lone_stage: Stage):
    _, action, target = on_a_target_that(lone_stage, {"dry_run": TargetState.UNCLEAR})
    work(lone_stage, steps=5)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"target_away"})
    assert target.heard.count("dry_run") == 1
    target.says = {}
    work(lone_stage, steps=12)
    assert lone_stage.action(action).state == "verifying"


def test_what_is_refused_in_any_case_is_not_rehearsed(lone_stage: Stage):
    target = Says(lone_stage)
    lone_stage.targets[FAMILY] = target
    _, action = lone_stage.bad_release(kind=AlertKind.INPUT_FAULT, cause=Cause.INPUT_FAULT)
    ready(lone_stage)
    work(lone_stage)
    assert lone_stage.action(action).state == "refused"
    assert target.heard == []


def test_a_rollout_that_is_under_way_is_waited_for(lone_stage: Stage):
    incident, action, target = on_a_target_that(lone_stage, {"verify": TargetState.PENDING})
    work(lone_stage, steps=3)
    assert lone_stage.action(action).state == "executing"
    assert lone_stage.incident_row(incident).state == "mitigating"
    assert "verify says pending" in lone_stage.action(action).result["text"]
    target.says = {}
    work(lone_stage, steps=10)
    assert lone_stage.action(action).state == "verifying"
    assert lone_stage.promotions == ["v1", "v2", "v1"]


@pytest.mark.parametrize("state", [TargetState.FAILED, TargetState.CONFLICT])
def test_a_rollout_that_does_not_come_to_serve_is_a_failure_that_is_critical(
    lone_stage: Stage, state: TargetState
):
    incident, action, _ = on_a_target_that(lone_stage, {"verify": state})
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == "failed"
    assert "v1 does not serve" in row.result["text"]
    seen = lone_stage.incident_row(incident)
    assert (seen.state, seen.severity) == ("open", "critical")


def test_where_the_target_cannot_say_the_windows_decide(lone_stage: Stage):
    _, action, _ = on_a_target_that(lone_stage, {"verify": TargetState.UNCLEAR})
    work(lone_stage)
    assert lone_stage.action(action).state == "verifying"


def test_while_data_is_missing_it_waits_and_a_person_may_say_yes(lone_stage: Stage):
    _, action = lone_stage.bad_release()
    gap = lone_stage.incident(
        kind=AlertKind.NO_DATA,
        cause=Cause.NO_DATA,
        fingerprint="c" * 32,
        title="digits sends nothing",
    )
    ready(lone_stage)
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"data_missing"})
    assert f"incident {gap.id}: digits sends nothing" in row.result["text"]
    approve(lone_stage, action)
    work(lone_stage)
    assert lone_stage.action(action).state == "verifying"


def test_the_silence_of_other_traffic_is_no_hindrance(lone_stage: Stage):
    _, action = lone_stage.bad_release(slice=Slice((("camera", "north"),)))
    lone_stage.incident(
        kind=AlertKind.NO_DATA,
        cause=Cause.NO_DATA,
        fingerprint="c" * 32,
        slice=Slice((("camera", "south"),)),
    )
    ready(lone_stage)
    work(lone_stage)
    assert "data_missing" not in codes(lone_stage.action(action), "wait")


def rolled_back(stage: Stage) -> Any:
    """v2 was taken out of service for v1, and that helped."""
    incident, action = stage.bad_release()
    ready(stage)
    work(stage)
    with stage.services.sessions.begin() as session:
        row = session.get_one(ActionRow, action)
        row.state, row.finished_at = "recovered", stage.clock.now()
        people.resolve(session, incident.id, actor="ann", at=stage.clock.now())
    stage.clock.advance(2 * 3600)
    return incident


def test_it_never_goes_back_to_what_a_rollback_took_out_of_service(lone_stage: Stage):
    """v2 -> v1 -> v2 would be a circle, though v2 is marked as known good."""
    rolled_back(lone_stage)
    with lone_stage.services.sessions.begin() as session:
        for row in session.query(ReleaseRow).filter_by(version="v2"):
            row.known_good = True
    _, action = lone_stage.propose(fingerprint="b" * 32, model_version="v1")
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.plan["to_version"] == "v2"
    assert (row.state, "loop" in codes(row, "refuse")) == ("refused", True)
    assert "took v2 out of service" in row.result["text"]
    assert lone_stage.promotions == ["v1", "v2", "v1"]


def test_an_older_version_is_preferred_to_the_one_that_was_taken_out(lone_stage: Stage):
    """Before v1 there was v0: back to that, not to v2."""
    lone_stage.release("v0", None, fleet.NOON.replace(day=1))
    rolled_back(lone_stage)
    with lone_stage.services.sessions.begin() as session:
        session.query(ReleaseRow).filter_by(version="v1", origin="announced").update(
            {"previous": "v0"}
        )
    _, action = lone_stage.propose(fingerprint="b" * 32, model_version="v1")
    assert lone_stage.action(action).plan["to_version"] == "v0"


@pytest.mark.parametrize("why", ["released again as known good", "a false alarm"])
def test_a_person_may_end_the_circle(lone_stage: Stage, why: str):
    first = rolled_back(lone_stage)
    plan = RollbackPlan(
        incident_id=9,
        model=fleet.MODEL,
        deployment=fleet.DEPLOYMENT,
        from_version="v1",
        to_version="v2",
        target="registry",
    )
    with lone_stage.services.sessions() as session:
        assert "rollback 1" in str(loop_of(session, plan))
    if why == "a false alarm":
        with lone_stage.services.sessions.begin() as session:
            at = lone_stage.clock.now()
            value = Disposition.FALSE_ALARM.value
            people.disposition(session, first.id, value, actor="ann", at=at)
    else:
        lone_stage.release("v2", "v1", lone_stage.clock.now(), known_good=True)
    with lone_stage.services.sessions() as session:
        assert loop_of(session, plan) is None


def test_an_incident_that_came_back_gets_a_second_rollback_with_a_name_of_its_own(
    lone_stage: Stage,
):
    """Someone released v2 anew: the target knows the first plan as done, and must do the second."""
    first = rolled_back(lone_stage)
    lone_stage.registry.promote(*FAMILY, "v2", actor="ci")
    with lone_stage.services.sessions.begin() as session:
        people.reopen(session, first.id, actor="ann", at=lone_stage.clock.now())
        watched = lone_stage.services.settings.models[0]
        again = propose(session, watched, record.get(session, first.id), at=lone_stage.clock.now())
        assert again is not None
        number = again.id
    before, after = (RollbackPlan.from_json(lone_stage.action(n).plan) for n in (1, number))
    assert (before.attempt, after.attempt) == (1, 2)
    assert before.id != after.id
    with lone_stage.services.sessions() as session:
        assert before.installation == installation.of(session) != ""
    work(lone_stage, steps=6)
    assert lone_stage.action(number).state == "verifying"
    assert lone_stage.promotions == ["v1", "v2", "v1", "v2", "v1"]


def test_what_was_refused_is_not_proposed_again(lone_stage: Stage):
    incident, action = lone_stage.bad_release(kind=AlertKind.INPUT_FAULT, cause=Cause.INPUT_FAULT)
    work(lone_stage)
    assert lone_stage.action(action).state == "refused"
    with lone_stage.services.sessions.begin() as session:
        watched = lone_stage.services.settings.models[0]
        assert (
            propose(
                session,
                watched,
                record.get(session, incident.id),
                at=lone_stage.clock.now(),
            )
            is None
        )


def test_a_version_of_another_schema_is_no_target(lone_stage: Stage):
    """As its release says; where that is silent, as its windows said."""
    _, action = lone_stage.bad_release()
    ready(lone_stage)
    with lone_stage.services.sessions.begin() as session:
        session.query(ReleaseRow).filter_by(version="v2").update({"schema_version": "boxes-2"})
        session.add(
            ServingSpanRow(
                model=fleet.MODEL,
                deployment=fleet.DEPLOYMENT,
                version="v1",
                schema_version="boxes-1",
                first_at=fleet.NOON - timedelta(days=9),
                last_at=fleet.NOON - timedelta(seconds=10),
                windows=1,
                records=1,
            )
        )
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "refuse")) == ("refused", {"different_schema"})
    assert "v1 has schema boxes-1, v2 has boxes-2" in row.result["text"]
