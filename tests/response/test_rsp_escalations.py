"""Who is told next while nobody acknowledges: one step at a time, whoever takes it."""

from __future__ import annotations

from threading import Barrier, Thread

import pytest
from rsp_routes import NIGHT, escalations, follow, held, lines, row_of, silence, told
from rsp_stage import Stage, a_finding

from alerts import incidents
from alerts.types import AlertKind, Incident, MessageEvent, Severity
from monitor.response import people, record
from monitor.settings.alerting import Route, RouteMatch
from vigil.types import Cause

TRIGGER, UPDATE = MessageEvent.TRIGGER, MessageEvent.UPDATE


def paged(stage: Stage, **values) -> Incident:
    follow(stage)
    incident = stage.incident(**values)
    return stage.tell(incident, TRIGGER)


def steps(stage: Stage, *seconds: float) -> None:
    """Let time pass, and the job run after each part of it."""
    for each in seconds:
        stage.clock.advance(each)
        escalations(stage).run_due()


def test_steps_follow_one_another_and_each_is_named_with_its_reason(stage: Stage):
    paged(stage)
    steps(stage, 299.0)
    assert told(stage) == [("pager", "trigger")]
    steps(stage, 1.0)
    assert told(stage)[1:] == [("second", "trigger")]
    steps(stage, 599.0)
    assert len(told(stage)) == 2
    steps(stage, 1.0, 10_000.0)
    assert told(stage)[2:] == [("boss", "trigger"), ("pager", "update")]
    assert lines(stage, "escalated") == [
        "Escalated to second (step 1 of 2 of night): nobody acknowledged it within 300 s.",
        "Escalated to boss, pager (step 2 of 2 of night): nobody acknowledged it within 600 s.",
    ]
    assert (row_of(stage).state, row_of(stage).due_at) == ("exhausted", None)
    assert [row.reason for row in stage.messages()] == [
        "routed",
        "escalated: step 1 of 2 of night",
        "escalated: step 2 of 2 of night",
        "escalated: step 2 of 2 of night",
    ]


def test_a_policy_that_repeats_begins_again(lone_stage: Stage):
    follow(lone_stage, escalations={"night": NIGHT.model_copy(update={"repeat": 1})})
    lone_stage.tell(lone_stage.incident(), TRIGGER)
    steps(lone_stage, 300.0, 600.0, 300.0, 600.0, 9_999.0)
    assert [name for name, _ in told(lone_stage)[1:]] == ["second", "boss", "pager"] * 2
    assert "step 1 of 2 of night, round 2 of 2" in lines(lone_stage, "escalated")[2]
    assert row_of(lone_stage).state == "exhausted"


def test_after_a_long_outage_steps_still_come_one_by_one(lone_stage: Stage):
    """Nobody gets a burst because the service was down for a night."""
    paged(lone_stage)
    steps(lone_stage, 100_000.0, 1.0)
    assert told(lone_stage)[1:] == [("second", "trigger")]


@pytest.mark.parametrize("change", [people.acknowledge, people.resolve])
def test_an_acknowledgement_or_a_resolve_stops_it(stage: Stage, change):
    incident = paged(stage)
    steps(stage, 300.0)
    with stage.services.sessions.begin() as session:
        announcer = stage.announcer
        change(session, incident.id, actor="ann", at=stage.clock.now(), announcer=announcer)
    steps(stage, 9_999.0)
    assert row_of(stage).state == "stopped"
    assert lines(stage, "escalated")[1].startswith("The escalation stops: incident 1 is ")
    assert "boss" not in [name for name, _ in told(stage)]


def test_an_acknowledgement_without_messages_stops_it_too(lone_stage: Stage):
    incident = paged(lone_stage)
    with lone_stage.services.sessions.begin() as session:
        people.acknowledge(session, incident.id, actor="ann", at=lone_stage.clock.now())
    steps(lone_stage, 9_999.0)
    assert told(lone_stage) == [("pager", "trigger")]
    assert row_of(lone_stage).reason == "incident 1 was acknowledged"


def test_a_policy_that_is_gone_ends_with_the_reason(lone_stage: Stage):
    paged(lone_stage)
    follow(lone_stage, escalations={}, routes=(Route(receivers=("pager",)),))
    steps(lone_stage, 9_999.0)
    assert row_of(lone_stage).reason == "escalation night is no longer configured"


def test_a_muted_incident_is_not_escalated_until_the_mute_ends(lone_stage: Stage):
    paged(lone_stage)
    silence(lone_stage, "model", "digits", for_s=3600.0)
    steps(lone_stage, 300.0)
    assert told(lone_stage) == [("pager", "trigger")]
    assert row_of(lone_stage).reason.startswith("waits: silenced by S-1 until ")
    steps(lone_stage, 3300.0)
    assert told(lone_stage)[1:] == [("second", "trigger")]


def test_a_ticket_is_not_escalated(lone_stage: Stage):
    paged(lone_stage, kind=AlertKind.BASELINE_DRIFT, cause=Cause.DOMAIN_SHIFT)
    steps(lone_stage, 9_999.0)
    assert told(lone_stage) == [("pager", "trigger")]


def test_a_higher_severity_asks_the_routes_again(lone_stage: Stage):
    """Who is new gets the trigger, and the policy of the new route begins."""
    critical = Route(match=RouteMatch(severity="critical"), receivers=("boss",), escalation="night")
    follow(lone_stage, routes=(critical, Route(receivers=("chat",))))
    incident = lone_stage.tell(lone_stage.incident(), TRIGGER)
    assert told(lone_stage) == [("chat", "trigger")]
    with lone_stage.services.sessions.begin() as session:
        moved = incidents.fired_again(
            record.get(session, incident.id),
            at=lone_stage.clock.now(),
            findings=(a_finding(),),
            severity=Severity.CRITICAL,
        )
        saved = record.save(session, moved)
        lone_stage.announcer.tell(session, saved, UPDATE, at=lone_stage.clock.now())
    assert told(lone_stage)[1:] == [("boss", "trigger"), ("chat", "update")]
    steps(lone_stage, 300.0)
    assert told(lone_stage)[3:] == [("second", "trigger")]
    assert [text for text in lines(lone_stage, "decision") if text.startswith("To ")] == [
        "To chat: route 2 matches.",
        "To boss: route 1 matches.",
    ]


def test_a_reopened_incident_is_escalated_anew(lone_stage: Stage):
    incident = paged(lone_stage)
    steps(lone_stage, 300.0)
    with lone_stage.services.sessions.begin() as session:
        now, announcer = lone_stage.clock.now(), lone_stage.announcer
        people.resolve(session, incident.id, actor="ann", at=now, announcer=announcer)
    with lone_stage.services.sessions.begin() as session:
        again = incidents.reopen(
            record.get(session, incident.id), at=now, actor="vigil", text="Again."
        )
        announcer.tell(session, record.save(session, again), TRIGGER, at=now)
    assert (row_of(lone_stage).step, row_of(lone_stage).state) == (0, "waiting")


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("where", ["_tell", "queue"])
def test_killed_in_the_middle_of_a_step_it_is_taken_once(stage: Stage, monkeypatch, where):
    paged(stage)
    stage.clock.advance(300.0)
    with monkeypatch.context() as patch:
        job = escalations(stage)
        target = job if where == "_tell" else stage.announcer
        real = getattr(target, where)

        def dies(*args, **values):
            real(*args, **values)
            raise Killed

        patch.setattr(target, where, dies)
        with pytest.raises(Killed):
            job.run_due()
    assert told(stage) == [("pager", "trigger")]
    steps(stage, 0.0, 0.0)
    assert told(stage)[1:] == [("second", "trigger")]


def test_two_processes_take_a_step_once(stage: Stage):
    """Both see that it is due; one transaction takes it."""
    paged(stage)
    stage.clock.advance(300.0)
    ready, failures = Barrier(4), []

    def process() -> None:
        job = escalations(stage)
        ready.wait()
        try:
            for _ in range(5):
                job.run_due()
        except Exception as error:
            failures.append(error)

    threads = [Thread(target=process) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert told(stage)[1:] == [("second", "trigger")]
    assert (row_of(stage).step, len(lines(stage, "escalated"))) == (1, 1)


def test_a_page_that_was_held_back_begins_its_escalation_when_it_goes(lone_stage: Stage):
    silence(lone_stage, "model", "digits", for_s=100.0)
    paged(lone_stage)
    assert told(lone_stage) == []
    lone_stage.clock.advance(100.0)
    held(lone_stage).run_due()
    steps(lone_stage, 299.0)
    assert told(lone_stage) == [("pager", "trigger")]
    steps(lone_stage, 1.0)
    assert told(lone_stage)[1:] == [("second", "trigger")]
