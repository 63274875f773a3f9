"""Lost answers, killed services, two at once, damaged files: once, and never silently."""

from __future__ import annotations

import threading

import pytest
from control_room import Room

from alerts.actions.targets.protocol import TargetReport, TargetState
from monitor.controls.plan import ControlPlan
from monitor.controls.targets import FileTarget
from monitor.store import switches


class Forgetful:
    """A target whose answers get lost after it has carried the plan out."""

    kind = "forgetful"

    def __init__(self, file: FileTarget, lost: int) -> None:
        self._file, self.lost, self.executed = file, lost, 0

    def current(self, model: str, deployment: str, what: str, name: str) -> str | None:
        return self._file.current(model, deployment, what, name)

    def execute(self, plan: ControlPlan) -> TargetReport:
        self.executed += 1
        report = self._file.execute(plan)
        if self.lost:
            self.lost -= 1
            return TargetReport(state=TargetState.UNCLEAR, text="no answer")
        return report

    def status(self, plan: ControlPlan) -> TargetReport:
        return self._file.status(plan)


def test_a_lost_answer_is_looked_up_not_repeated(room: Room) -> None:
    target = Forgetful(FileTarget(room.file), lost=1)
    room.target = target
    row = room.ask("flag", "f", "on")
    room.approve(row)
    room.run()
    assert room.row(row).state == "executing"
    room.clock.advance(5.0)
    room.run()
    assert (room.row(row).state, target.executed) == ("done", 1)


def test_a_service_killed_after_it_sent_the_plan_finds_it_done(room: Room) -> None:
    """Another process takes over between the target and the record: once, and recorded."""
    row = room.ask("flag", "f", "on")
    room.approve(row)
    room.run(1)

    class Killed(Forgetful):
        def execute(self, plan: ControlPlan) -> TargetReport:
            super().execute(plan)
            raise KeyboardInterrupt

    target = Killed(FileTarget(room.file), lost=0)
    room.target = target
    with pytest.raises(KeyboardInterrupt):
        room.run(1)
    assert room.row(row).state == "executing"
    room.target = FileTarget(room.file)
    room.run()
    assert (room.row(row).state, target.executed) == ("done", 1)
    assert room.audit().count("control done") == 1


@pytest.mark.parametrize("known", [TargetState.READY, TargetState.UNCLEAR])
def test_a_plan_that_may_not_have_arrived_is_not_sent_again_once_actions_are_stopped(
    lone_room: Room, known: TargetState
) -> None:
    """The target may say that it was not carried out, or nothing: neither overrules the stop."""

    class Lossy(Forgetful):
        def execute(self, plan: ControlPlan) -> TargetReport:
            self.executed += 1
            return TargetReport(state=TargetState.UNCLEAR, text="no answer")

        def status(self, plan: ControlPlan) -> TargetReport:
            return TargetReport(state=known, text="asked")

    target = Lossy(FileTarget(lone_room.file), lost=0)
    lone_room.target = target
    row = lone_room.ask("flag", "f", "on")
    lone_room.approve(row)
    lone_room.run()
    assert (lone_room.row(row).state, target.executed) == ("executing", 1)
    with lone_room.services.sessions.begin() as session:
        switches.set_switch(
            session, switches.ACTIONS_STOPPED, True, actor="eve", at=lone_room.clock.now()
        )
    lone_room.clock.advance(61.0)
    lone_room.run()
    assert target.executed == 1
    ended = {TargetState.READY: "refused", TargetState.UNCLEAR: "executing"}
    assert lone_room.row(row).state == ended[known]


def test_an_answer_that_stays_unclear_ends_as_failed(lone_room: Room) -> None:
    class Silent(Forgetful):
        def execute(self, plan: ControlPlan) -> TargetReport:
            return TargetReport(state=TargetState.UNCLEAR, text="no answer")

    lone_room.target = Silent(FileTarget(lone_room.file), lost=0)
    row = lone_room.ask("flag", "f", "on")
    lone_room.approve(row)
    lone_room.run()
    lone_room.clock.advance(901.0)
    lone_room.run()
    assert lone_room.row(row).state == "failed"
    assert "may have been" in lone_room.row(row).result["text"]


def test_two_services_carry_it_out_once(room: Room) -> None:
    row = room.ask("flag", "f", "on")
    room.approve(row)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            room.run(4)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failed == []
    assert room.row(row).state == "done"
    assert room.audit().count("control done") == 1


def test_a_damaged_file_fails_the_control_and_is_left_alone(lone_room: Room) -> None:
    row = lone_room.ask("flag", "f", "on")
    lone_room.file.write_text("not JSON")
    lone_room.approve(row)
    lone_room.run()
    assert lone_room.row(row).state == "failed"
    assert lone_room.file.read_text() == "not JSON"


@pytest.mark.parametrize("state", [TargetState.FAILED, TargetState.CONFLICT])
def test_a_failure_after_a_lost_answer_says_that_it_may_have_been_applied(
    room: Room, state: TargetState
) -> None:
    """The token expired, or somebody set it since: nobody must think that nothing was set."""

    class Expired(Forgetful):
        def status(self, plan: ControlPlan) -> TargetReport:
            if not self.executed:
                return super().status(plan)
            return TargetReport(state=state, text="401: bad credentials")

    room.target = Expired(FileTarget(room.file), lost=1)
    row = room.ask("flag", "f", "on")
    room.approve(row)
    room.run()
    room.clock.advance(5.0)
    room.run()
    found = room.row(row)
    assert found.state == "failed"
    doubt = "it was sent before, and may have been applied"
    assert found.result["text"] == f"401: bad credentials; {doubt}"


def test_a_failure_at_once_raises_no_doubt(room: Room) -> None:
    class Refuses(Forgetful):
        def execute(self, plan: ControlPlan) -> TargetReport:
            return TargetReport(state=TargetState.FAILED, text="422: no such flag")

    room.target = Refuses(FileTarget(room.file), lost=0)
    row = room.ask("flag", "f", "on")
    room.approve(row)
    room.run()
    assert (room.row(row).state, room.row(row).result["text"]) == ("failed", "422: no such flag")
