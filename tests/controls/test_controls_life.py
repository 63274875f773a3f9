"""A control from the question to the file, and what holds it back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import small_fleet as fleet
from control_room import DEPLOYMENT, MODEL, Room
from incident_rows import incident_row
from sqlalchemy import select

from alerts.actions.targets.protocol import TargetState
from alerts.silences.draft import draft, matchers_for
from alerts.silences.silence import SilenceKind
from monitor.controls import manage
from monitor.controls.plan import ControlError, ControlPlan
from monitor.controls.targets import FileTarget
from monitor.response import silences
from monitor.store import switches
from monitor.store.tables import ControlRow, IncidentRow
from vigil.controls import ControlsFile
from vigil.errors import ConflictError, NotFoundError


def incident(room: Room, **values: Any) -> int:
    with room.services.sessions.begin() as session:
        columns: dict[str, Any] = {
            "cause": "model_regression",
            "severity": "error",
            "model": MODEL,
            "deployment": DEPLOYMENT,
            "model_version": "v2",
            "slice": "all traffic",
            "title": "worse",
            "reasons": [],
        }
        row = incident_row(fleet.NOON, **{**columns, **values})
        session.add(row)
        session.flush()
        return row.id


def test_a_threshold_is_set_once_approved_and_told_where_it_belongs(room: Room) -> None:
    number = incident(room)
    row = room.ask("threshold", "accept", "0.80", reason="too sure", incident_id=number)
    room.run()
    waiting = room.row(row)
    assert (waiting.state, waiting.before, waiting.after) == ("waiting", "", "0.8")
    assert waiting.decision["needs_approval"] is True
    assert not room.file.exists()
    room.approve(row)
    room.run()
    done = room.row(row)
    assert (done.state, done.approved_by, done.executed_at) == ("done", "bob", room.clock.now())
    assert room.values() == {"threshold": {"accept": "0.8"}}
    read = ControlsFile(room.file, model=MODEL, deployment=DEPLOYMENT)
    assert read.threshold("accept", default=0.5) == 0.8
    assert room.audit() == [
        "control asked for",
        "control waits",
        "control approved",
        "control done",
    ]
    told = room.timeline()
    assert "ada asked for threshold accept" in told[0]
    assert "not set -> 0.8" in told[0]
    assert "bob approved" in told[2]
    assert "set to 0.8" in told[3]


def test_undoing_puts_back_what_was_before(room: Room) -> None:
    first = room.done("flag", "retry", "on")
    second = room.done("flag", "retry", "off")
    back = room.undo(second)
    room.approve(back)
    room.run()
    assert room.values() == {"flag": {"retry": "on"}}
    assert room.row(second).result["undone_by"] == back.id
    with pytest.raises(ConflictError, match="undone by control"):
        room.undo(second)
    again = room.undo(room.row(back))
    room.approve(again)
    room.run()
    assert room.values() == {"flag": {"retry": "off"}}
    assert room.row(first).state == "done"


def test_undoing_the_first_unsets(lone_room: Room) -> None:
    row = lone_room.done("kill", "", "on")
    assert lone_room.values() == {"kill": {"": "on"}}
    back = lone_room.undo(row)
    lone_room.approve(back)
    lone_room.run()
    assert lone_room.values() == {"kill": {}}
    assert not ControlsFile(lone_room.file, model=MODEL, deployment=DEPLOYMENT).killed


def test_an_operator_may_set_alone_what_the_settings_say(sqlite_url: str, tmp_path: Path) -> None:
    room = Room(sqlite_url, tmp_path, without_approval=("kill",))
    kill, flag = room.ask("kill", "", "on"), room.ask("flag", "f", "on")
    room.run()
    assert (room.row(kill).state, room.row(flag).state) == ("done", "waiting")
    room.services.close()


def test_the_stop_refuses_and_says_who_stopped(room: Room) -> None:
    row = room.ask("share", "v2", "0.1")
    room.approve(row)
    with room.services.sessions.begin() as session:
        at = room.clock.now()
        switches.set_switch(session, switches.ACTIONS_STOPPED, True, actor="eve", at=at)
    room.run()
    assert room.row(row).state == "refused"
    assert "all actions are stopped (by eve)" in room.row(row).result["text"]
    assert not room.file.exists()


def test_an_approval_expires(room: Room) -> None:
    """While something else is under way; then nobody's old yes counts."""
    other = room.ask("flag", "a", "on")
    row = room.ask("flag", "b", "on")
    room.approve(row)
    with room.services.sessions.begin() as session:
        session.get_one(ControlRow, other.id).state = "executing"
    room.worker()._advance(row.id, lambda session: None)
    assert "one action at a time" in room.row(row).decision["text"]
    room.clock.advance(3601.0)
    with room.services.sessions.begin() as session:
        session.get_one(ControlRow, other.id).state = "failed"
    room.run()
    refused = room.row(row)
    assert refused.state == "refused"
    assert "is 3601 s old" in refused.result["text"]


def test_what_nobody_approves_lapses(lone_room: Room) -> None:
    row = lone_room.ask("flag", "f", "on")
    lone_room.run()
    lone_room.clock.advance(3601.0)
    lone_room.run()
    assert lone_room.row(row).state == "refused"
    assert "nobody approved it in time" in lone_room.row(row).result["text"]


def test_a_freeze_waits_even_for_what_needs_no_approval(sqlite_url: str, tmp_path: Path) -> None:
    room = Room(sqlite_url, tmp_path, without_approval=("flag",))
    with room.services.sessions.begin() as session:
        made = draft(
            kind=SilenceKind.FREEZE,
            matchers=matchers_for({"model": MODEL}),
            starts_at=fleet.NOON,
            ends_at=fleet.NOON + timedelta(hours=1),
            comment="sale",
            actor="eve",
            now=fleet.NOON,
        )
        silences.create(session, made)
    row = room.ask("flag", "f", "on")
    room.run()
    assert room.row(row).state == "waiting"
    assert "freeze" in room.row(row).decision["text"]
    room.approve(row)
    room.run()
    assert room.row(row).state == "done"
    room.services.close()


def test_cooldown_and_the_daily_number_hold_changes_back_but_not_undoing(
    sqlite_url: str, tmp_path: Path
) -> None:
    room = Room(sqlite_url, tmp_path, cooldown_s=60.0, max_per_day=2)
    first = room.ask("flag", "a", "on")
    room.approve(first)
    room.run()
    second = room.ask("flag", "b", "on")
    room.approve(second)
    room.run()
    assert "cooldown" in room.row(second).decision["text"]
    room.clock.advance(61.0)
    room.run()
    assert room.row(second).state == "done"
    room.clock.advance(61.0)
    third = room.ask("flag", "c", "on")
    room.approve(third)
    room.run()
    assert "at most 2 are allowed" in room.row(third).result["text"]
    back = room.undo(room.row(second))
    room.approve(back)
    room.run()
    assert room.row(back).state == "done"
    room.services.close()


def test_an_incident_that_is_over_calls_for_nothing(lone_room: Room) -> None:
    number = incident(lone_room)
    row = lone_room.ask("flag", "f", "on", incident_id=number)
    lone_room.approve(row)
    with lone_room.services.sessions.begin() as session:
        session.scalars(select(IncidentRow)).one().state = "resolved"
    lone_room.run()
    assert "the incident is resolved" in lone_room.row(row).result["text"]


def test_what_someone_changed_by_hand_is_not_overwritten(lone_room: Room) -> None:
    row = lone_room.ask("threshold", "accept", "0.8")
    plan = ControlPlan(
        installation="another",
        model=MODEL,
        deployment=DEPLOYMENT,
        what="threshold",
        name="accept",
        before="",
        after="0.6",
        turn=1,
    )
    assert FileTarget(lone_room.file).execute(plan).state is TargetState.EXECUTED
    lone_room.approve(row)
    lone_room.run()
    assert lone_room.row(row).state == "refused"
    assert "someone changed it" in lone_room.row(row).result["text"]
    assert lone_room.values() == {"threshold": {"accept": "0.6"}}


@pytest.mark.parametrize(
    ("what", "name", "value", "said"),
    [
        ("colour", "a", "on", "expected one of threshold"),
        ("threshold", "a", "high", "expected a number"),
        ("threshold", "a", "nan", "finite number"),
        ("share", "v2", "1.2", "from 0 to 1"),
        ("flag", "a", "yes", "expected on or off"),
        ("flag", "", "on", "expected a name"),
        ("kill", "a", "on", "expected no name"),
        ("kill", "", "maybe", "expected on or off"),
    ],
)
def test_what_does_not_fit_is_refused(
    lone_room: Room, what: str, name: str, value: str, said: str
) -> None:
    with pytest.raises(ControlError, match=said):
        lone_room.ask(what, name, value)


def test_asking_for_what_is_so_or_twice_is_a_conflict(lone_room: Room) -> None:
    lone_room.done("flag", "f", "on")
    with pytest.raises(ConflictError, match="is on already"):
        lone_room.ask("flag", "f", "on")
    row = lone_room.ask("flag", "f", "off")
    with pytest.raises(ConflictError, match="has not finished"):
        lone_room.ask("flag", "f", "off")
    with lone_room.services.sessions.begin() as session:
        manage.withdraw(session, row.id, actor="ada", at=lone_room.clock.now())
    assert lone_room.row(row).result["text"] == "withdrawn by ada"
    lone_room.ask("flag", "f", "off")
    with pytest.raises(NotFoundError):
        lone_room.ask("flag", "g", "on", incident_id=99)
