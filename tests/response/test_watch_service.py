"""vigil's watch on a real database: each trouble an incident that comes and goes by itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import small_fleet as fleet
from rsp_stage import Stage, an_incident
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from alerts.types import AlertKind, Delivery, DeliveryOutcome, MessageEvent
from monitor.response import people
from monitor.settings.alerting import Heartbeat as HeartbeatRules
from monitor.settings.receivers import AlertmanagerReceiver
from monitor.store.tables import IncidentRow, LabelRow, OutboxRow, SourceRow, TickRow
from monitor.watch import watch as module
from monitor.watch.direct import DirectPage
from monitor.watch.heartbeat import Heartbeat
from monitor.watch.job_log import JobLog
from monitor.watch.watch import AWAY_AFTER_S, CALM_LOOKS, LOOKS, Watch


class Kit:
    """A watch on a stage, a receiver, and ticks made by hand."""

    def __init__(self, stage: Stage, **settings: Any) -> None:
        self.stage, self.notes, self.jobs = stage, fleet.Notes(), JobLog()
        changed = stage.services.settings.model_copy(update=settings)
        self.services = replace(
            stage.services, settings=changed, started_at=fleet.NOON - timedelta(days=1)
        )
        self.watch = self.another()

    def another(self) -> Watch:
        return Watch(
            self.services,
            self.stage.announcer,
            self.services.runbooks,
            {"pager": self.notes},
            lambda _incident, _at: ("pager",),
            self.jobs,
        )

    def tick(self) -> None:
        """The last window was judged a moment ago."""
        now = self.stage.clock.now()
        with self.services.sessions.begin() as session:
            session.merge(
                TickRow(
                    id=int(now.timestamp()),
                    end_at=now,
                    started_at=now,
                    duration_ms=1.0,
                    windows=0,
                    streams=0,
                    holder="test",
                )
            )

    def look(self, times: int = 1, *, tick: bool = True, every_s: float = 5.0) -> list[bool]:
        found = []
        for _ in range(times):
            self.stage.clock.advance(every_s)
            if tick:
                self.tick()
            found.append(self.watch.run_due())
        return found

    def incidents(self) -> list[IncidentRow]:
        with self.services.sessions() as session:
            return list(session.scalars(select(IncidentRow).order_by(IncidentRow.id)))


@pytest.fixture
def kit(stage: Stage) -> Kit:
    return Kit(stage)


def test_all_is_well(kit: Kit):
    assert kit.look(3) == [True] * 3
    assert kit.incidents() == []


def test_late_ticks_page_once_and_resolve_by_themselves(kit: Kit):
    kit.look()
    box = kit.stage.outbox({"pager": kit.notes})
    for _ in range(10):
        kit.look(tick=False, every_s=100.0)
        box.deliver_due()
    (row,) = kit.incidents()
    assert (row.kind, row.state, row.title) == (
        "vigil_self",
        "open",
        "vigil's checks are late: no model is being judged",
    )
    assert kit.look(CALM_LOOKS) == [True] * CALM_LOOKS
    (row,) = kit.incidents()
    assert row.state == "resolved"
    events = [one.event for one in kit.stage.messages()]
    assert events == ["trigger", "resolve"]
    assert kit.stage.messages()[0].message["where"] == "vigil itself"


def test_what_is_seen_once_pages_nobody_and_what_flickers_is_one_incident(kit: Kit):
    kit.jobs.expect("actions", every_s=1.0, at=fleet.NOON - timedelta(hours=1))
    kit.look(LOOKS - 1)
    kit.jobs.ended("actions", at=kit.stage.clock.now())
    kit.look(5)
    assert kit.incidents() == []
    for _ in range(5):
        kit.jobs.expect("actions", every_s=1.0, at=fleet.NOON - timedelta(hours=1))
        kit.look(LOOKS)
        kit.jobs.ended("actions", at=kit.stage.clock.now())
        kit.look(CALM_LOOKS - 1)
    assert [row.state for row in kit.incidents()] == ["open"]


def test_troubles_are_incidents_of_their_own(kit: Kit):
    old = kit.stage.clock.now() - timedelta(hours=1)
    with kit.services.sessions.begin() as session:
        for number, state in enumerate(("waiting", "dead")):
            session.add(
                OutboxRow(
                    dedup_key=f"m{number}",
                    receiver="chat",
                    event="trigger",
                    message={},
                    state=state,
                    created_at=old,
                    next_attempt_at=old,
                )
            )
    kit.look(LOOKS)
    titles = {row.title for row in kit.incidents()}
    assert titles == {"vigil's messages do not reach chat", "vigil gave up on messages"}
    assert len({row.fingerprint for row in kit.incidents()}) == 2


def test_labels_that_stay_away_page_and_end_with_the_next_label(stage: Stage):
    watched = stage.services.settings.models[0].model_copy(update={"labels_every_s": 600.0})
    kit = Kit(stage, models=(watched,))
    now = stage.clock.now()
    with kit.services.sessions.begin() as session:
        session.add(
            SourceRow(
                source="host-1",
                model=fleet.MODEL,
                deployment=fleet.DEPLOYMENT,
                version="v1",
                boot="b",
                first_seen_at=now - timedelta(hours=3),
                last_window_at=now + timedelta(hours=1),
            )
        )
    kit.look(LOOKS)
    silent = [row for row in kit.incidents() if row.kind == "labels_silent"]
    assert [(row.model, row.severity, row.runbook) for row in silent] == [
        (fleet.MODEL, "warning", "label_pipeline")
    ]
    with kit.services.sessions.begin() as session:
        session.add(
            LabelRow(
                record_id="r1",
                model=fleet.MODEL,
                version="v1",
                deployment=fleet.DEPLOYMENT,
                cell={},
                prediction=1,
                confidence=0.9,
                label=1,
                predicted_at=now,
                arrived_at=stage.clock.now(),
            )
        )
    kit.look(CALM_LOOKS)
    assert {row.kind: row.state for row in kit.incidents()}["labels_silent"] == "resolved"


def test_two_processes_open_one_incident(kit: Kit):
    other = kit.another()
    kit.jobs.expect("actions", every_s=1.0, at=fleet.NOON - timedelta(hours=1))
    start = threading.Barrier(2)

    def looks(watch: Watch) -> None:
        for _ in range(LOOKS):
            start.wait(20.0)
            watch.run_due()

    kit.tick()
    threads = [threading.Thread(target=looks, args=(one,)) for one in (kit.watch, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert len(kit.incidents()) == 1
    assert len(kit.stage.messages()) == 1


def test_a_tick_leaves_what_the_watch_opened_alone():
    assert {kind for kind in AlertKind if kind.is_watched} == {
        AlertKind.VIGIL_SELF,
        AlertKind.LABELS_SILENT,
        AlertKind.SERVING_MISMATCH,
    }


def resolve(kit: Kit, incident_id: int) -> None:
    with kit.services.sessions.begin() as session:
        now, announcer = kit.stage.clock.now(), kit.stage.announcer
        people.resolve(session, incident_id, actor="ann", at=now, announcer=announcer)


def test_what_a_person_resolved_while_it_lasts_pages_nobody_until_it_comes_back(kit: Kit):
    box = kit.stage.outbox({"pager": kit.notes})

    def look(times: int, **how: Any) -> None:
        for _ in range(times):
            kit.look(**how)
            box.deliver_due()

    late = kit.services.settings.heartbeat.ticks_late_after_s + 60.0
    look(1)
    look(LOOKS + 1, tick=False, every_s=late)
    resolve(kit, 1)
    look(4, tick=False)
    kit.watch = kit.another()  # a restart
    look(4, tick=False)
    assert kit.notes.events == ["trigger", "resolve"]
    look(CALM_LOOKS + 1)
    look(LOOKS + 1, tick=False, every_s=late)
    assert [row.state for row in kit.incidents()] == ["resolved", "open"]
    assert kit.notes.events == ["trigger", "resolve", "trigger"]


def test_more_messages_that_are_given_up_page_again_though_a_person_resolved_the_first(kit: Kit):
    def given_up(number: int) -> None:
        incident = kit.stage.incident(fingerprint=f"{number:032d}")
        kit.stage.tell(incident, MessageEvent.TRIGGER)
        with kit.services.sessions.begin() as session:
            for row in session.scalars(select(OutboxRow)):
                row.state = "dead" if row.incident_id == incident.id else "delivered"

    kit.look()
    given_up(1)
    kit.look(LOOKS)
    (ours,) = [row for row in kit.incidents() if row.kind == AlertKind.VIGIL_SELF.value]
    resolve(kit, ours.id)
    kit.look(3)
    assert sum(row.kind == AlertKind.VIGIL_SELF.value for row in kit.incidents()) == 1
    with kit.services.sessions.begin() as session:
        for row in session.scalars(select(OutboxRow)):
            row.state = "dead"
    kit.look(LOOKS)
    assert sum(row.kind == AlertKind.VIGIL_SELF.value for row in kit.incidents()) == 2


def test_a_direct_page_that_may_have_arrived_is_tried_less_and_less_often_and_says_so():
    """A receiver that takes a page and does not answer is not paged every five seconds."""
    notes = fleet.Notes()
    notes.answers = [Delivery(outcome=DeliveryOutcome.UNCLEAR, error="no answer")] * 100
    page = DirectPage({"pager": notes}, lambda _incident, _at: ("pager",), base_url="http://v")
    for look in range(120):
        page.fire(an_incident(), "Look.", at=fleet.NOON + timedelta(seconds=5 * look))
    assert 2 < len(notes.told) < 10
    assert [unclear for _, _, unclear in notes.told] == [False] + [True] * (len(notes.told) - 1)


def test_a_database_that_is_away_pages_directly_once_and_resolves(
    lone_stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    kit = Kit(lone_stage)
    kit.look()

    def away(*_: Any) -> None:
        raise OperationalError("select", {}, Exception("gone"))

    with monkeypatch.context() as patched:
        patched.setattr(module, "look", away)
        looks = int(AWAY_AFTER_S / 5.0)
        assert kit.look(looks, tick=False) == [False] * looks
        assert kit.notes.told == []
        kit.notes.answers = [RuntimeError("boom")]
        kit.look(5, tick=False)
        triggers = [message for message, _, _ in kit.notes.told]
        assert [one.event for one in triggers] == [MessageEvent.TRIGGER] * 2  # one exploded
        assert triggers[0].thread_key == triggers[1].thread_key
        assert triggers[0].thread_key.startswith("vigil-database-")
        assert "database is away" in triggers[0].headline
        other = kit.another()
        for _ in range(20):
            kit.stage.clock.advance(5.0)
            other.run_due()
        assert {m.thread_key for m, _, _ in kit.notes.told} == {triggers[0].thread_key}
    kit.look(2)
    last, thread, _ = kit.notes.told[-1]
    assert (last.event, last.thread_key) == (MessageEvent.RESOLVE, triggers[0].thread_key)
    assert thread
    assert kit.incidents() == []


class Beats(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    seen: list[tuple[str, str, Any, str]]
    answer = 200

    def do_GET(self) -> None:
        self._keep(None)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self._keep(json.loads(self.rfile.read(length)))

    def _keep(self, body: Any) -> None:
        token = self.headers.get("Authorization", "")
        type(self).seen.append((self.command, self.path, body, token))
        self.send_response(type(self).answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def beats() -> Iterator[tuple[str, type[Beats]]]:
    handler = type("Handler", (Beats,), {"seen": [], "answer": 200})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", handler
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_while_all_is_well_it_says_so_and_when_not_it_is_silent(
    lone_stage: Stage, beats: tuple[str, type[Beats]], monkeypatch: pytest.MonkeyPatch
):
    url, handler = beats
    monkeypatch.setenv("AM_TOKEN", "s3cret")
    rules = HeartbeatRules(every_s=60.0, url=f"{url}/alive", receivers=("am",))
    receivers = {
        "am": AlertmanagerReceiver.model_validate(
            {"kind": "alertmanager", "url": url, "token": {"env": "AM_TOKEN"}}
        )
    }
    kit = Kit(lone_stage, heartbeat=rules, receivers=receivers)
    kit.look(13)
    assert [(method, path) for method, path, _, _ in handler.seen] == [
        ("GET", "/alive"),
        ("POST", "/api/v2/alerts"),
    ] * 2
    _, _, (alert,), token = handler.seen[1]
    assert token == "Bearer s3cret"
    assert alert["labels"]["alertname"] == "VigilAlive"
    ends, starts = (module.datetime.fromisoformat(alert[name]) for name in ("endsAt", "startsAt"))
    assert starts < ends <= fleet.NOON + timedelta(seconds=5 + 180)
    handler.seen.clear()
    kit.jobs.expect("actions", every_s=1.0, at=fleet.NOON - timedelta(hours=1))
    kit.look(30)
    assert handler.seen == []
    with kit.services.sessions.begin() as session:
        session.execute(delete(IncidentRow))


def test_a_heartbeat_that_nobody_hears_is_logged_once_without_its_address(
    lone_stage: Stage, beats: tuple[str, type[Beats]], caplog: pytest.LogCaptureFixture
):
    url, handler = beats
    handler.answer = 500
    rules = HeartbeatRules(every_s=1.0, url=f"{url}/alive?key=s3cret")
    settings = lone_stage.services.settings.model_copy(update={"heartbeat": rules})
    heart, now = Heartbeat(settings), fleet.NOON
    for second in range(3):
        at = now + timedelta(seconds=second)
        assert heart.beat_due(at, installation="x", started_at=now) == 0
    heart.close()
    assert len(handler.seen) == 3
    warned = [one.getMessage() for one in caplog.records if one.name == "vigil.watch"]
    assert warned == ["no sign of life to the heartbeat's url, tried again: HTTP 500"]
