"""The life of an incident in the database: it flaps, repeats, is dismissed, and gets less bad."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import small_fleet as fleet
from rsp_stage import FAMILY, Stage, an_effect
from sqlalchemy import select

from alerts.flapping import Damping
from alerts.grouping import Belongs
from alerts.types import AlertKind, Incident, MessageEvent, Severity
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.metrics import Metrics
from monitor.response import past, people, record
from monitor.response.bridge import Bridge
from monitor.response.closing import Closing
from monitor.response.milestones import Milestones
from monitor.response.recovery import Health
from monitor.settings.alerting import Incidents
from monitor.store.tables import TimelineRow
from vigil.types import Cause, ModelRef, Slice

RULES = Incidents(flap_after=2, flap_over_s=60.0, repeat_within_days=30.0)
SITE = Slice((("site", "north"),))
CAMERA = Slice((("site", "north"), ("camera", "n1")))
WELL = Health(recovered=True, text="it is small again")


class Life:
    """A bridge and what closes, on a stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        services = stage.services
        self.bridge = Bridge(
            stage.announcer,
            services.runbooks,
            services.metrics,
            window_s=1.0,
            reopen_within_s=10.0,
            rules=RULES,
        )
        damping = Damping(after=RULES.flap_after, over_s=RULES.flap_over_s)
        self.closing = Closing(stage.announcer, damping)

    @property
    def now(self) -> datetime:
        return self.stage.clock.now()

    def fires(
        self,
        *,
        slice: Slice = SITE,
        value: float = 0.2,
        version: str = "v2",
        cause: Cause = Cause.MODEL_REGRESSION,
    ) -> tuple[Incident, Belongs]:
        self.stage.clock.advance(1)
        drift = Drift(
            stream=StreamKey(*FAMILY, slice, "confidence"),
            effect=an_effect(value, 0.02),
            evidence=1e6,
            threshold=fleet.THRESHOLD,
            novel=False,
            provisional=False,
        )
        diagnosis = Diagnosis(
            model=ModelRef(name=fleet.MODEL, version=version, deployment=fleet.DEPLOYMENT),
            slice=slice,
            cause=cause,
            reasons=("it got worse",),
            drifts=(drift,),
            onset=self.now - timedelta(seconds=3),
            at=self.now,
        )
        with self.stage.services.sessions.begin() as session:
            return self.bridge.raise_alert(session, diagnosis)

    def recovers(self, incident: Incident, *, cure: str = "") -> Incident:
        with self.stage.services.sessions.begin() as session:
            fresh = record.get(session, incident.id)
            self.closing.close(session, fresh, WELL, self.now, cure=cure)
        return self.read(incident)

    def resolve_by_hand(self, incident: Incident) -> None:
        with self.stage.services.sessions.begin() as session:
            people.resolve(session, incident.id, actor="ann", at=self.now)

    def read(self, incident: Incident) -> Incident:
        with self.stage.services.sessions() as session:
            return record.get(session, incident.id)

    def told(self) -> list[str]:
        return [row.event for row in self.stage.messages()]

    def lines(self, incident: Incident, kind: str) -> list[str]:
        with self.stage.services.sessions() as session:
            rows = select(TimelineRow.text).where(
                TimelineRow.incident_id == incident.id, TimelineRow.kind == kind
            )
            return list(session.scalars(rows.order_by(TimelineRow.id)))

    def decided(self, incident: Incident, stage: str) -> list[str]:
        """What this stage decided; others write decisions too."""
        with self.stage.services.sessions() as session:
            rows = session.scalars(
                select(TimelineRow)
                .where(TimelineRow.incident_id == incident.id, TimelineRow.kind == "decision")
                .order_by(TimelineRow.id)
            )
            return [row.text for row in rows if row.data.get("stage") == stage]


@pytest.fixture
def life(stage: Stage) -> Life:
    return Life(stage)


def flapping(life: Life) -> Incident:
    """An incident that has come back twice within the minute."""
    incident, _ = life.fires()
    for _ in range(2):
        life.recovers(incident)
        again, belongs = life.fires()
        assert (again.id, belongs) == (incident.id, Belongs.REOPENS)
    return life.read(incident)


def test_from_the_nth_return_an_incident_stays_open_and_pages_no_more(life: Life) -> None:
    """The last page says so; the next returns find it open."""
    incident = flapping(life)
    assert incident.reopened == 2
    assert "It flaps" in life.stage.messages()[-1].message["note"]
    pages = life.told().count("trigger")
    for _ in range(3):
        resting = life.recovers(incident)
        assert resting.state.is_open
        assert resting.recovered_at is not None
        again, belongs = life.fires()
        assert (again.id, belongs) == (incident.id, Belongs.SAME)
        assert again.recovered_at is None
    assert life.told().count("trigger") == pages
    assert "stays open until" in life.decided(incident, "damping")[0]


def test_what_flapped_is_resolved_once_it_rested(life: Life) -> None:
    """The rest begins when it goes quiet, and is written down once."""
    incident = flapping(life)
    for seconds in (0, 30, 29):
        life.stage.clock.advance(seconds)
        assert life.recovers(incident).state.is_open
    assert len(life.decided(incident, "damping")) == 1
    life.stage.clock.advance(1)
    assert not life.recovers(incident).state.is_open
    assert life.told()[-1] == "resolve"


def test_a_cure_needs_no_rest(life: Life) -> None:
    """A verified rollback ends it at once."""
    incident = flapping(life)
    assert not life.recovers(incident, cure="Rolled back to v1.").state.is_open


def test_a_persons_resolve_holds_while_it_fires(life: Life) -> None:
    """However often; one line says so, and the next incident is not opened."""
    incident, _ = life.fires()
    life.resolve_by_hand(incident)
    before = life.told()
    for _ in range(4):
        again, belongs = life.fires()
        assert (again.id, belongs) == (incident.id, Belongs.DISMISSED)
        assert not again.state.is_open
    life.fires(slice=CAMERA)  # a part of what is known
    assert life.told() == before
    assert len(life.decided(incident, "dismissed")) == 1


def test_a_new_slice_a_higher_severity_or_a_release_is_told(life: Life) -> None:
    incident, _ = life.fires(slice=CAMERA)
    life.resolve_by_hand(incident)
    assert life.fires(slice=CAMERA)[1] is Belongs.DISMISSED
    wider, belongs = life.fires(slice=SITE)
    assert belongs is Belongs.NEW
    life.resolve_by_hand(wider)
    assert life.fires(slice=SITE)[1] is Belongs.DISMISSED
    worse, belongs = life.fires(slice=SITE, value=0.9)
    assert belongs in (Belongs.NEW, Belongs.REOPENS)
    life.resolve_by_hand(worse)
    life.stage.clock.advance(20)
    assert life.fires(slice=SITE, value=0.9)[1] is Belongs.DISMISSED
    life.stage.release("v3", "v2", life.now)
    assert life.fires(slice=SITE, value=0.9, version="v3")[1] is Belongs.NEW


def test_quiet_and_back_is_told(life: Life) -> None:
    """What stopped after a person resolved it is noted; its return is news."""
    incident, _ = life.fires()
    life.resolve_by_hand(incident)
    quiet = life.recovers(incident)
    assert not quiet.state.is_open
    assert life.lines(incident, "quiet")
    assert life.fires()[1] is Belongs.REOPENS


def test_what_was_accepted_is_not_dismissed(life: Life) -> None:
    """Its streams learn it: what fires after that is another story."""
    from monitor.response.accept import accept

    incident, _ = life.fires()
    with life.stage.services.sessions.begin() as session:
        accept(
            session,
            incident.id,
            reason="it stays",
            settings=life.stage.services.settings,
            actor="ann",
            at=life.now,
        )
    with life.stage.services.sessions() as session:
        assert past.dismissed(session) == []
    assert life.fires()[1] is Belongs.REOPENS


def test_a_repeat_names_the_earlier_one_and_how_it_was_solved(life: Life) -> None:
    """The latest within the time; the page carries the sentence."""
    first, _ = life.fires()
    life.recovers(first, cure="Rolled back to v1.")
    life.stage.clock.advance(3600)
    second, belongs = life.fires()
    assert belongs is Belongs.NEW
    assert second.repeat_of == first.id
    (text,) = life.lines(second, "repeat")
    assert text.startswith(f"Like incident {first.id} of 2026-")
    assert life.stage.messages()[-1].message["note"] == text
    life.recovers(second)
    life.stage.clock.advance(40 * 86400)
    third, _ = life.fires()
    assert third.repeat_of is None


def test_less_bad_is_told_as_an_update(life: Life) -> None:
    """Each look must see it; the receivers get an update, not a page."""
    incident, _ = life.fires(value=0.9)
    assert incident.severity is Severity.CRITICAL
    mild = tuple(replace(one, effect=an_effect(0.2, 0.02)) for one in incident.findings)
    health = Health(recovered=False, text="it drifts by 0.20", looks=(mild, mild, mild))
    with life.stage.services.sessions.begin() as session:
        life.closing.weigh(session, incident, health, life.now)
    assert life.read(incident).severity is Severity.ERROR
    assert life.told()[-1] == MessageEvent.UPDATE.value
    assert life.lines(incident, "severity") == ["Severity critical -> error: it drifts by 0.20."]


def test_steps_of_people_are_counted_once_whoever_took_them(life: Life) -> None:
    """An acknowledgement from the command line is another process's: it is read from the table."""
    metrics = Metrics()
    milestones = Milestones(metrics)
    sessions = life.stage.services.sessions

    def export() -> str:
        with sessions() as session:
            milestones.export(session, life.now)
        return metrics.text().decode()

    incident, _ = life.fires()
    export()
    life.stage.clock.advance(30)
    with sessions.begin() as session:
        people.acknowledge(session, incident.id, actor="ann", at=life.now)
    life.stage.clock.advance(30)
    life.recovers(incident)
    for _ in range(2):
        told = export()
        life.stage.clock.advance(1)
    assert "vigil_time_to_acknowledge_seconds_count 1.0" in told
    assert "vigil_time_to_acknowledge_seconds_sum 30.0" in told
    assert "vigil_time_to_recover_seconds_sum 63.0" in told


def test_an_incident_of_another_kind_is_not_taken_for_the_dismissed(life: Life) -> None:
    """The same cause told by a plain rule is new."""
    incident = life.stage.incident(
        kind=AlertKind.HARD_FAULT,
        cause=Cause.INPUT_FAULT,
        group_key="digits/production/input_fault",
    )
    life.resolve_by_hand(incident)
    assert life.fires(cause=Cause.INPUT_FAULT)[1] is Belongs.NEW
