"""What a fleet can do to a service, from the windows to the incident and what is proposed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import small_fleet as fleet

from monitor.store import baselines
from monitor.store.tables import (
    ActionRow,
    BaselineRow,
    IncidentRow,
    LabelRow,
    OutboxRow,
    ReleaseRow,
    SignalPointRow,
    SourceRow,
    TimelineRow,
    VerdictRow,
)


@pytest.fixture
def told(database_url: str, tmp_path):
    """A story on both databases, with a rollback target and a re-label folder."""
    yield from fleet.story(
        database_url,
        watched={
            "rollback": fleet.rollback(tmp_path / "registry.json"),
            "relabel": fleet.relabel(tmp_path / "labels"),
        },
    )


def opened(story: fleet.Story, scene: fleet.Scene, *, most: int = 40) -> IncidentRow:
    """The incident that a scene raises; there must be one, and one only."""
    story.play(most, scene, until=lambda: bool(story.incidents))
    (incident,) = story.incidents
    return incident


def test_a_bad_release_is_a_model_regression_on_all_traffic_and_a_rollback_is_proposed(
    told: fleet.Story,
):
    told.play(6)
    began = told.tick
    incident = opened(told, fleet.REGRESSED)
    assert (incident.cause, incident.slice) == ("model_regression", "all traffic")
    assert (incident.model_version, incident.severity) == ("v2", "critical")
    assert incident.onset_at == fleet.at(began)
    assert incident.labels["previous_version"] == "v1"
    (action,) = told.rows(ActionRow)
    assert (action.kind, action.state) == ("rollback", "proposed")
    assert (action.plan["from_version"], action.plan["to_version"]) == ("v2", "v1")
    assert [row.event for row in told.rows(OutboxRow)] == ["trigger"]
    told.play(5, fleet.REGRESSED)
    assert len(told.incidents) == 1
    assert [row.event for row in told.rows(OutboxRow)] == ["trigger"]


def test_one_camera_out_of_focus_is_an_input_fault_that_names_it(told: fleet.Story):
    told.play(6)
    incident = opened(told, replace(fleet.HEALTHY, blurred="n2"))
    assert incident.cause == "input_fault"
    assert incident.slice == "camera=n2"
    assert any(finding["signal"] == "sharpness" for finding in incident.findings)
    kinds = {row.kind for row in told.rows(ActionRow)}
    assert "relabel" not in kinds


def test_a_new_site_is_a_domain_shift_and_images_are_to_be_labelled(told: fleet.Story):
    told.play(6)
    cameras = (*fleet.CAMERAS, *fleet.NEW_CAMERAS)
    scene = replace(fleet.HEALTHY, cameras=cameras, unfamiliar=3.0, per_camera=20)
    told.play(30, scene, until=lambda: bool(told.incidents))
    incident = told.incidents[0]
    assert (incident.cause, incident.slice) == ("domain_shift", "site=west")
    assert "relabel" in {row.kind for row in told.rows(ActionRow)}


@pytest.mark.slow
def test_healthy_traffic_of_300_ticks_raises_no_incident(lone_story: fleet.Story):
    reports = lone_story.play(300)
    assert len(reports) >= 300
    assert lone_story.incidents == []
    assert lone_story.rows(OutboxRow) == []


def test_drift_below_the_tolerance_never_pages_however_long(sqlite_url: str):
    """Evidence grows without bound; the effect stays below what was declared to matter."""
    signals = ("confidence", "entropy", "margin", "predicted_class", "embedding")
    tolerance = dict.fromkeys((*signals, "embedding_distance"), 0.4)
    for story in fleet.story(sqlite_url, watched={"tolerance": tolerance}):
        story.play(6)
        story.play(70, replace(fleet.HEALTHY, temper=0.75, per_camera=40))
        verdicts = story.rows(VerdictRow)
        assert (
            max(row.values["all traffic"]["confidence"][2] for row in _points(story))
            >= fleet.THRESHOLD
        )
        assert not [row for row in verdicts if row.outcome == "drifted"]
        assert story.incidents == []
        assert story.rows(OutboxRow) == []


def _points(story: fleet.Story) -> list[SignalPointRow]:
    return [row for row in story.rows(SignalPointRow) if "all traffic" in row.values]


def test_a_version_without_a_baseline_is_counted_and_shown_but_not_judged(story: fleet.Story):
    story.play(4)
    strange = replace(fleet.REGRESSED, version="v9", blurred="n1")
    story.play(15, strange)
    assert story.incidents == []
    point = story.rows(SignalPointRow)[-1]
    assert point.versions == {"v9": 48}
    assert [row.version for row in story.rows(ReleaseRow)] == ["v1", "v9"]


def test_a_retired_baseline_judges_no_more_and_its_successor_does(lone_story: fleet.Story):
    """Windows that were measured with the old ruler are unverified from then on."""
    story = lone_story
    story.play(5)
    old = fleet.baseline("v1")
    rebuilt = fleet.baseline("v1", labelled=False)
    assert rebuilt.ruler.id == old.ruler.id
    assert rebuilt.sha256 != old.sha256
    with story.services.sessions.begin() as session:
        baselines.add(session, rebuilt)
    story.play(1)
    states = {row.sha256: row.state for row in story.rows(BaselineRow) if row.version == "v1"}
    assert states == {old.sha256: "retired", rebuilt.sha256: "active"}
    with story.services.sessions() as session:
        found = story.works.ticks._references.of_version(session, fleet.MODEL, "v1")
    assert found is not None
    assert found.sha256 == rebuilt.sha256


def test_labels_that_come_late_tell_of_lost_accuracy(story: fleet.Story):
    """Nothing in images or predictions moves; only the labels can tell."""
    story.play(6, label=True)
    story.play(
        60, replace(fleet.HEALTHY, error=0.5), label=True, until=lambda: bool(story.incidents)
    )
    (incident,) = story.incidents
    assert {finding["signal"] for finding in incident.findings} <= {"accuracy", "calibration"}
    assert "accuracy" in {finding["signal"] for finding in incident.findings}
    labels = [row.judged_by for row in story.rows(LabelRow)]
    assert labels.count(None) <= 12


def test_embeddings_that_are_not_finite_are_a_hard_fault_at_once(story: fleet.Story):
    story.play(4)
    story.play(1, replace(fleet.HEALTHY, nan=0.4))
    (incident,) = story.incidents
    assert incident.kind == "hard_fault"
    assert "embedding" in incident.title
    assert incident.detected_at == story.clock.now()
    story.play(12)
    assert story.incidents[0].state == "resolved"


BOTH = ("host-1", "host-2")
THREE = (*BOTH, "host-3")


@pytest.fixture
def declared(database_url: str):
    """A story whose settings miss each of three sources."""
    yield from fleet.story(database_url, watched={"sources": THREE})


def test_a_source_that_falls_silent_is_no_data_and_its_return_closes_it(declared: fleet.Story):
    declared.play(8, sources=BOTH)
    declared.play(6)
    (incident,) = declared.incidents
    assert (incident.cause, incident.slice) == ("no_data", "source=host-2")
    assert incident.severity == "error"
    assert declared.rows(ActionRow) == []
    declared.play(10, sources=BOTH)
    (incident,) = declared.incidents
    assert incident.state == "resolved"
    assert [row.event for row in declared.rows(OutboxRow)] == ["trigger", "resolve"]


def test_silence_is_not_taken_back_while_others_fall_silent_too(declared: fleet.Story):
    """Whoever falls silent later, even all, must not make the first one look recovered."""
    declared.play(8, sources=THREE)
    declared.play(6, sources=("host-1", "host-3"))
    declared.play(8, sources=("host-3",))
    (both,) = declared.incidents  # within ten windows: one fault, told once
    assert {one["slice"] for one in both.findings} == {"source=host-1", "source=host-2"}
    _nobody_all_clear(declared)
    for _ in range(10):
        declared.to(declared.tick + 1)
        declared.works.ticks.run_due()
    assert "all traffic" in {row.slice for row in declared.incidents}
    _nobody_all_clear(declared)
    declared.play(12, sources=THREE)
    assert {row.state for row in declared.incidents} == {"resolved"}


def test_a_replica_that_nobody_declared_may_go(lone_story: fleet.Story):
    lone_story.play(8, sources=BOTH)
    lone_story.play(10)
    assert lone_story.incidents == []


def test_a_model_whose_sources_are_all_silent_is_missed(story: fleet.Story):
    story.play(8, sources=BOTH)
    for _ in range(8):
        story.to(story.tick + 1)
        story.works.ticks.run_due()
    (incident,) = story.incidents
    assert (incident.cause, incident.slice, incident.state) == ("no_data", "all traffic", "open")
    story.play(10, sources=BOTH)
    assert [row.state for row in story.incidents] == ["resolved"]


def _nobody_all_clear(story: fleet.Story) -> None:
    assert story.incidents
    assert {row.state for row in story.incidents} == {"open"}
    assert "resolve" not in {row.event for row in story.rows(OutboxRow)}


def test_a_service_that_was_away_accuses_nobody_of_silence(story: fleet.Story):
    """While it was down nobody could reach it; whoever comes back late is not silent."""
    story.play(8, sources=BOTH)
    story.restart(after_s=60.0)
    away = story.tick
    for recorder in story.recorders.values():
        recorder.seal(float(away + 60))
    story.tick = away + 60
    for _ in range(2):
        story.play(1, sources=("host-1",))
    assert story.incidents == []
    story.play(3, sources=BOTH)
    assert story.incidents == []


def test_a_first_start_with_no_source_at_all_is_no_silence(sqlite_url: str):
    story = fleet.Story(sqlite_url)
    for _ in range(10):
        story.to(story.tick + 1)
        story.works.ticks.run_due()
    assert story.rows(SourceRow) == []
    assert story.incidents == []
    story.close()


def test_recovery_closes_the_incident_after_the_fault_is_gone(lone_story: fleet.Story):
    lone_story.play(6)
    opened(lone_story, replace(fleet.HEALTHY, blurred="n2", per_camera=40))
    lone_story.play(60, replace(fleet.HEALTHY, per_camera=40), until=lambda: _over(lone_story))
    assert _over(lone_story)
    kinds = [row.kind for row in lone_story.rows(TimelineRow)]
    assert kinds[-2:] == ["recovered", "resolved"]
    lone_story.play(10)
    assert len(lone_story.incidents) == 1


def _over(story: fleet.Story) -> bool:
    return all(row.state == "resolved" for row in story.incidents)


def test_a_fault_that_lasts_does_not_recover(lone_story: fleet.Story):
    lone_story.play(6)
    opened(lone_story, replace(fleet.HEALTHY, blurred="n2"))
    lone_story.play(40, replace(fleet.HEALTHY, blurred="n2"))
    (incident,) = lone_story.incidents
    assert incident.state == "open"
