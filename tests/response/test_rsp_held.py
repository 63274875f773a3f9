"""What is held back is told once, when what held it ends; alerts of one origin are told once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import small_fleet as fleet
from rsp_routes import follow, held, lines, silence, told
from rsp_stage import Stage, an_incident
from sqlalchemy import event, func, select

from alerts.silences.silence import SilenceKind
from alerts.types import AlertKind, Incident, MessageEvent
from monitor.checks.diagnosis import Diagnosis
from monitor.response import people, silences
from monitor.response.bridge import Bridge
from monitor.settings.alerting import Inhibition, Route, RouteMatch
from monitor.settings.schema import WatchedModel
from monitor.store.tables import IncidentRow, TimelineRow
from vigil.types import Cause, ModelRef, Slice

TRIGGER, UPDATE, RESOLVE = MessageEvent.TRIGGER, MessageEvent.UPDATE, MessageEvent.RESOLVE


def resolve(stage: Stage, incident: Incident) -> None:
    with stage.services.sessions.begin() as session:
        now, announcer = stage.clock.now(), stage.announcer
        people.resolve(session, incident.id, actor="ann", at=now, announcer=announcer)


def run(stage: Stage, times: int = 3) -> None:
    for _ in range(times):
        held(stage).run_due()


@pytest.mark.parametrize("kind", [SilenceKind.SILENCE, SilenceKind.MAINTENANCE])
def test_it_pages_once_when_the_mute_ends_and_it_is_still_open(stage: Stage, kind):
    follow(stage)
    silence(stage, "model", "digits", for_s=3600.0, kind=kind)
    stage.tell(stage.incident(), TRIGGER)
    run(stage)
    assert told(stage) == []
    (why,) = lines(stage, "decision")
    assert why.startswith("Not told: ")
    assert " S-1 until " in why
    stage.clock.advance(3600.0)
    run(stage)
    assert told(stage) == [("pager", "trigger")]
    note = stage.messages()[0].message["note"]
    assert note.startswith("It was held back (")
    assert note.endswith(") and is still open.")
    assert lines(stage, "decision")[1].startswith("No longer held back: ")


def test_a_silence_that_someone_ends_lets_it_go_at_once(lone_stage: Stage):
    follow(lone_stage)
    made = silence(lone_stage, "model", "digits", for_s=3600.0)
    lone_stage.tell(lone_stage.incident(), TRIGGER)
    with lone_stage.services.sessions.begin() as session:
        silences.end(session, made.id, actor="ann", at=lone_stage.clock.now())
    run(lone_stage)
    assert told(lone_stage) == [("pager", "trigger")]


def test_what_was_resolved_or_acknowledged_in_the_meantime_pages_nobody(stage: Stage):
    follow(stage)
    silence(stage, "model", "digits", for_s=60.0)
    over, taken = stage.incident(), stage.incident()
    for each in (over, taken):
        stage.tell(each, TRIGGER)
    resolve(stage, over)
    with stage.services.sessions.begin() as session:
        people.acknowledge(session, taken.id, actor="ann", at=stage.clock.now())
    stage.clock.advance(60.0)
    run(stage)
    assert told(stage) == []


def test_the_resolve_goes_to_whoever_was_told_silenced_or_not(stage: Stage):
    """And to nobody who was not."""
    follow(stage)
    first = stage.tell(stage.incident(), TRIGGER)
    silence(stage, "model", "digits", for_s=3600.0)
    second = stage.tell(stage.incident(), TRIGGER)
    stage.tell(first, UPDATE)
    resolve(stage, first)
    resolve(stage, second)
    assert [(row.incident_id, row.event) for row in stage.messages()] == [
        (first.id, "trigger"),
        (first.id, "resolve"),
    ]


def test_an_inhibited_incident_pages_when_its_explanation_is_over(stage: Stage):
    rule = Inhibition(by={"cause": "no_data"}, mute={"cause": "model_regression"})
    follow(stage, inhibit=(rule,))
    dark = stage.tell(stage.incident(kind=AlertKind.NO_DATA, cause=Cause.NO_DATA), TRIGGER)
    drift = stage.tell(stage.incident(), TRIGGER)
    run(stage)
    assert told(stage) == [("pager", "trigger")]
    assert "inhibited by incident 1 while that is open (inhibit 1)" in lines(stage, "decision")[-1]
    resolve(stage, dark)
    run(stage)
    assert told(stage)[2:] == [("pager", "trigger")]
    assert stage.messages()[2].incident_id == drift.id


def test_a_mute_that_is_replaced_by_another_is_written_and_holds(lone_stage: Stage):
    follow(lone_stage)
    silence(lone_stage, "model", "digits", for_s=60.0)
    lone_stage.tell(lone_stage.incident(), TRIGGER)
    silence(lone_stage, "cause", "model_regression", for_s=600.0)
    run(lone_stage)
    assert "S-2" in lines(lone_stage, "decision")[-1]
    lone_stage.clock.advance(60.0)
    run(lone_stage)
    assert told(lone_stage) == []
    assert len(lines(lone_stage, "decision")) == 2


# --- alerts of one origin


def bridge(stage: Stage, **values) -> Bridge:
    names = ("digits", "lanes", "gates")
    watched = tuple(
        WatchedModel(name=name, deployment=fleet.DEPLOYMENT, upstream="kafka") for name in names
    )
    follow(stage, models=watched, **values)
    services = stage.services
    return Bridge(stage.announcer, services.runbooks, services.metrics, window_s=1.0)


def alert(stage: Stage, model: str, cause: Cause, source: str = "", *, hard: bool) -> Diagnosis:
    now = stage.clock.now()
    return Diagnosis(
        model=ModelRef(name=model, version="v2", deployment=fleet.DEPLOYMENT),
        slice=Slice((("source", source),)) if source else Slice(),
        cause=cause,
        reasons=("it stopped",),
        drifts=(),
        onset=now - timedelta(seconds=3),
        at=now,
        hard=hard,
    )


def count(stage: Stage, table: type) -> int:
    with stage.services.sessions() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_broken_upstream_is_one_incident_and_one_page_per_receiver(stage: Stage):
    """Three times twenty sources on three models: one incident, told to the people of all three,
    few lines, and one look at the incidents."""
    lanes = Route(match=RouteMatch(model="lanes"), receivers=("lane-team",))
    one = bridge(stage, routes=(lanes, Route(receivers=("pager",))))
    reads: list[str] = []
    engine = stage.services.engine
    alerts = [
        alert(stage, model, Cause.NO_DATA, f"s{number}", hard=True)
        for _ in range(3)
        for model in ("digits", "lanes", "gates")
        for number in range(20)
    ]

    def note(conn, cursor, statement, *rest):
        if statement.startswith("SELECT") and "incidents.state !=" in statement:
            reads.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    with stage.services.sessions.begin() as session:
        for each in alerts:
            one.raise_alert(session, each)
    event.remove(engine, "before_cursor_execute", note)
    assert count(stage, IncidentRow) == 1
    assert [name for name, kind in told(stage) if kind == "trigger"] == ["pager", "lane-team"]
    assert len(reads) == 1
    assert count(stage, TimelineRow) < 12
    assert [text for text in lines(stage, "widened") if text.startswith("Also ")] == [
        "Also lanes in production: it is behind the upstream kafka, as incident 1 does.",
        "Also gates in production: it is behind the upstream kafka, as incident 1 does.",
    ]


def test_drift_behind_one_upstream_is_told_once_and_again_when_the_first_is_over(stage: Stage):
    """The second keeps its own incident; it pages if it outlives the first."""
    one = bridge(stage)
    with stage.services.sessions.begin() as session:
        for model in ("digits", "lanes"):
            one.raise_alert(session, alert(stage, model, Cause.INPUT_FAULT, hard=False))
    assert count(stage, IncidentRow) == 2
    assert told(stage) == [("pager", "trigger")]
    (part,) = lines(stage, "part")
    assert part.startswith("Incident 2 (lanes in production) is part of incident 1: ")
    run(stage)
    assert len(told(stage)) == 1
    with stage.services.sessions() as session:
        whole = session.get_one(IncidentRow, 1)
    resolve(stage, an_incident(id=whole.id))
    run(stage)
    assert [(row.incident_id, row.event) for row in stage.messages()] == [
        (1, "trigger"),
        (1, "resolve"),
        (2, "trigger"),
    ]
