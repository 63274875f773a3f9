"""A rollback that a rule forbids is refused with every reason; nothing else happens."""

from __future__ import annotations

from datetime import timedelta

import pytest
import small_fleet as fleet
from rsp_rollbacks import Dead, codes, ready, work
from rsp_stage import FAMILY, Stage

from alerts.types import AlertKind
from monitor.response.rollback import Rollbacks
from monitor.store import switches
from vigil.types import Cause


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


def test_without_an_earlier_version_it_is_refused(lone_stage: Stage):
    lone_stage.release("v2", None, fleet.NOON - timedelta(days=1))
    _, action = lone_stage.propose()
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == "refused"
    assert "no_target_version" in codes(row, "refuse")
