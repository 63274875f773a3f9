"""The drift track of a service: tickets that wake nobody, guardrails that page."""

from __future__ import annotations

import numpy as np
import pytest
import small_fleet as fleet

from alerts.types import AlertKind
from monitor.checks.apart import Apart
from monitor.checks.drift_track import Cadence, common_slice
from monitor.checks.recent import RecentTicks, Seen
from monitor.checks.references import References
from monitor.response import record
from monitor.schedule.drift import DRIFT, DriftTrack, cause_of
from monitor.settings.alerting import Route
from monitor.settings.fields import SecretRef
from monitor.settings.labelling import Relabel
from monitor.settings.receivers import ConsoleReceiver, PagerDutyReceiver
from monitor.settings.schema import Checks, Guardrail
from monitor.store.tables import ActionRow, OutboxRow, StateRow, TickRow, VerdictRow
from vigil.clock import ManualClock
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, Cause, Slice

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
EVERY, OVER = 6, 12
CHECKS = Checks(min_history=200, drift_every_s=float(EVERY), drift_over_s=float(OVER))
RECEIVERS = {
    "chat": ConsoleReceiver(kind="console"),
    "pager": PagerDutyReceiver(kind="pagerduty", routing_key=SecretRef(env="KEY")),
}
SHIFTED = fleet.Scene(per_camera=20, temper=0.45)
DULL = fleet.Scene(per_camera=20, blurred="n1")


class Watch:
    """A drift track fed by hand, without a change track beside it."""

    def __init__(self, database: str, **watched) -> None:
        self.services = fleet.opened(
            database,
            ManualClock(fleet.NOON),
            checks=CHECKS,
            receivers=RECEIVERS,
            routes=(Route(receivers=("pager", "chat")),),
            watched={"relabel": Relabel(folder="queue"), **watched},
        )
        self.references, self.recent = References(), RecentTicks()
        self.tick = fleet.FIRST
        self.track = self._track()

    def _track(self) -> DriftTrack:
        from monitor.response.announce import Announcer
        from monitor.response.bridge import Bridge
        from monitor.response.handle import Responder
        from runbooks.library import load

        library = load(None)
        announcer = Announcer(self.services.settings, library)
        bridge = Bridge(announcer, library, self.services.metrics, window_s=1.0)
        return DriftTrack(
            self.services, self.references, Responder(self.services, announcer, bridge)
        )

    def play(self, ticks: int, scene: fleet.Scene = fleet.HEALTHY) -> int:
        """So many ticks; returns how many steps the track made."""
        base, steps = fleet.baseline("v1"), 0
        for _ in range(ticks):
            self.tick += 1
            at = fleet.at(self.tick)
            batch, _ = fleet.world().batch(self.tick, scene)
            seen = Seen(
                tick=self.tick,
                version="v1",
                ruler=base.ruler.id,
                summary=summarise(batch, base.ruler)[0],
                outcomes=None,
            )
            self.recent.add(FAMILY, self.tick, [seen])
            self.recent.forget(self.tick)
            with self.services.sessions.begin() as session:
                session.add(
                    TickRow(
                        id=self.tick,
                        end_at=at,
                        started_at=at,
                        duration_ms=0.0,
                        windows=1,
                        streams=1,
                        holder="test",
                    )
                )
                session.flush()
                steps += self.track.run(
                    session, self.recent, [FAMILY], Apart(), tick=self.tick, at=at
                )
        return steps

    def rows(self, table):
        with self.services.sessions() as session:
            found = session.query(table).all()
            session.expunge_all()
        return found

    def incidents(self):
        with self.services.sessions() as session:
            return record.open_incidents(session)


@pytest.fixture
def watch(database_url: str):
    """On SQLite and on PostgreSQL."""
    fleet.restore(database_url, fleet.history_rows())
    made = Watch(database_url)
    yield made
    made.services.close()


@pytest.fixture
def guarded(sqlite_url: str):
    fleet.restore(sqlite_url, fleet.history_rows())
    rails = (Guardrail(slice="camera=n1", signal="sharpness", margin=0.3),)
    made = Watch(sqlite_url, guardrails=rails)
    yield made
    made.services.close()


def test_it_steps_once_an_hour_and_keeps_its_state_with_the_tick(watch: Watch):
    assert watch.play(1 + 3 * EVERY) == 3
    state = {row.name: row for row in watch.rows(StateRow)}[DRIFT]
    assert state.tick_id == watch.tick
    assert watch.incidents() == []
    assert watch.rows(VerdictRow) == []


def test_drift_from_the_baseline_opens_a_ticket_that_wakes_nobody(watch: Watch):
    watch.play(1 + 6 * EVERY, SHIFTED)
    (ticket,) = watch.incidents()
    assert ticket.kind is AlertKind.BASELINE_DRIFT
    assert (ticket.severity.value, ticket.slice) == ("info", WHOLE)
    assert ticket.cause is Cause.DOMAIN_SHIFT
    assert ticket.title.startswith("digits drifted away from its baseline")
    assert {row.receiver for row in watch.rows(OutboxRow)} == {"chat"}
    assert [row.kind for row in watch.rows(ActionRow)] == ["relabel"]
    verdicts = watch.rows(VerdictRow)
    assert {row.check for row in verdicts} == {DRIFT}
    assert "drifted" in {row.outcome for row in verdicts}


def test_one_ticket_stays_one_and_is_closed_when_the_drift_is_over(watch: Watch):
    watch.play(1 + 10 * EVERY, SHIFTED)
    assert len(watch.incidents()) == 1
    assert len(watch.rows(OutboxRow)) == 1
    watch.play(40 * EVERY)
    assert watch.incidents() == []
    assert [row.event for row in watch.rows(OutboxRow)] == ["trigger", "resolve"]


def test_a_guardrail_that_is_crossed_pages(guarded: Watch):
    guarded.play(1 + 6 * EVERY, DULL)
    kinds = {incident.kind: incident for incident in guarded.incidents()}
    page = kinds[AlertKind.INPUT_FAULT]
    assert page.slice == Slice((("camera", "n1"),))
    assert page.findings[0].reason == "guardrail: 0.3 at most"
    assert any("guardrail" in reason for reason in page.reasons)
    told = {row.receiver for row in guarded.rows(OutboxRow) if row.incident_id == page.id}
    assert told == {"chat", "pager"}


def test_the_cadence_follows_the_settings():
    cadence = Cadence.of(fleet.settings("sqlite://", checks=CHECKS))
    assert (cadence.every, cadence.over) == (EVERY, OVER // EVERY)
    assert cadence.threshold == pytest.approx(fleet.THRESHOLD / EVERY)


def test_causes_and_slices_are_told_from_the_names():
    assert cause_of(["brightness", "sharpness"])[0] is Cause.INPUT_FAULT
    assert cause_of(["brightness", "confidence"])[0] is Cause.DOMAIN_SHIFT
    assert cause_of(["something"])[0] is Cause.UNKNOWN
    north, n1 = Slice((("site", "north"),)), Slice((("site", "north"), ("camera", "n1")))
    assert common_slice([n1, north]) == north
    assert common_slice([n1, Slice((("site", "south"),))]) == WHOLE
    assert np.all([common_slice([n1]) == n1, common_slice([n1, WHOLE]) == WHOLE])
