"""Late labels: risk and calibration are bet on as labels arrive, and page once."""

from __future__ import annotations

import numpy as np
import pytest
import small_fleet as fleet

from detectors.evidence.calibration import CalibrationEvidence
from detectors.evidence.risk import RiskEvidence
from detectors.frame import Part
from monitor.checks.label_tracks import SHARE_OF_BUDGET, label_step
from monitor.schedule.late_labels import LABELS
from monitor.store.tables import IncidentRow, LabelRow, LabelTaskRow, StateRow, VerdictRow
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE
from vigil.windows import wire
from vigil.windows.summary import Outcomes

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
TOLERANCE = 0.05


def part(tick: int, scene: fleet.Scene, *, temper: float = 1.0) -> Part:
    """One window, all of it labelled; ``temper`` makes its confidences lie."""
    base = fleet.baseline("v1")
    batch, labels = fleet.world().batch(tick, scene)
    cells = [(one["site"], one["camera"]) for one in batch.metadata]
    confidence = batch.probabilities.max(axis=1) ** temper
    right = labels == batch.prediction
    return Part(
        baseline=base,
        summary=summarise(batch, base.ruler)[0],
        outcomes=Outcomes.of(fleet.KEYS, cells, confidence, right),
    )


def run(ticks: int, scene: fleet.Scene = fleet.HEALTHY, threshold: float = 2000.0, **changes):
    """What crossed first, by check and slice: ``{(check, slice): tick}``."""
    risk, calibration = RiskEvidence(threshold), CalibrationEvidence(threshold)
    found = {}
    for tick in range(1, ticks + 1):
        for one in label_step(
            risk,
            calibration,
            {FAMILY: [part(tick, scene, **changes)]},
            lambda stream: TOLERANCE,
            tick=tick,
        ):
            found.setdefault((one.check, one.stream.slice), (tick, one))
    return found


def test_healthy_labels_cross_nothing():
    assert run(150) == {}


def test_a_growing_risk_is_found_with_an_effect_since_it_began():
    found = run(60, fleet.Scene(error=0.35))
    tick, one = found["risk", WHOLE]
    assert tick < 30
    assert one.effect.unit == "loss of accuracy"
    assert one.effect.is_large
    assert one.effect.records == 48 * (tick - one.first_tick + 1)
    assert one.evidence >= 2000.0 * SHARE_OF_BUDGET


def test_confidences_that_lie_are_found_though_accuracy_holds():
    found = run(150, temper=0.3)
    assert ("calibration", WHOLE) in found
    assert ("risk", WHOLE) not in found
    _, one = found["calibration", WHOLE]
    assert one.effect.unit == "rise of ECE"
    assert one.effect.is_large


def test_a_baseline_without_labels_is_no_reference():
    base = fleet.baseline("v1", labelled=False)
    made = part(1, fleet.Scene(error=0.9))
    bare = Part(baseline=base, summary=made.summary, outcomes=made.outcomes)
    risk, calibration = RiskEvidence(10.0), CalibrationEvidence(10.0)
    assert label_step(risk, calibration, {FAMILY: [bare]}, lambda stream: 0.0, tick=1) == []


@pytest.fixture
def story(database_url: str):
    """On SQLite and on PostgreSQL."""
    yield from fleet.story(database_url)


def test_labels_step_with_their_tick_and_errors_page_once(story: fleet.Story):
    """Half of the labels disagree: one incident, whoever of the tracks sees it."""
    story.play(6, label=True)
    (state,) = [row for row in story.rows(StateRow) if row.name == LABELS]
    risk, calibration = wire.split(state.blob)
    assert RiskEvidence.from_bytes(risk).last_step == state.tick_id
    assert CalibrationEvidence.from_bytes(calibration).last_step == state.tick_id
    assert story.incidents == []
    story.play(40, fleet.Scene(error=0.9), label=True)
    said = {row.check for row in story.rows(VerdictRow) if row.signal == "accuracy"}
    assert said & {"risk", "change"}
    assert len(story.rows(IncidentRow)) == 1
    assert np.all([row.kind != "baseline_drift" for row in story.rows(IncidentRow)])


def test_labels_of_images_picked_for_their_score_accuse_nobody(story: fleet.Story, monkeypatch):
    """What people are asked to label is what the model is unsure of: often wrong, and no sample of
    the traffic. The same labels without the picking page, as the test before shows."""
    label = story.services.ingest.labels

    def after_picking(labels):
        with story.services.sessions.begin() as session:
            session.add_all(picked(one.id) for one in labels)
        return label(labels)

    monkeypatch.setattr(story.services.ingest, "labels", after_picking)
    story.play(6, label=True)
    story.play(40, fleet.Scene(error=0.9), label=True)
    assert len(story.rows(LabelRow)) > 100
    assert all(row.judged_by is not None for row in story.rows(LabelRow))
    assert [row for row in story.rows(VerdictRow) if row.signal == "accuracy"] == []
    assert story.rows(IncidentRow) == []


def picked(record_id: str) -> LabelTaskRow:
    return LabelTaskRow(
        queue="folder",
        batch="daily",
        model=fleet.MODEL,
        version="v1",
        deployment=fleet.DEPLOYMENT,
        slice="",
        record_id=record_id,
        rank=1,
        score=1.0,
        reason="uncertain",
        state="queued",
        picked_at=fleet.NOON,
        data={},
    )
