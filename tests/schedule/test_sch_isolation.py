"""What is wrong with one model stays with it: the others are judged, and the ticks go on."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import small_fleet as fleet
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from detectors import scores
from detectors.fit import fit_baseline
from monitor.checks.references import References
from monitor.checks.verdict_rows import VerdictLog
from monitor.response.bridge import Bridge
from monitor.schedule import tick as ticks
from monitor.schedule.wiring import wire
from monitor.store import baselines
from monitor.store.tables import BaselineRow, SignalPointRow, VerdictRow, WindowRow
from vigil.errors import RulerMismatchError
from vigil.pipeline.recorder import Recorder
from vigil.types import WHOLE, ModelRef
from vigil.windows.baseline import Baseline

OTHER = "letters"


def fitted(model: str, version: str, bins: int = 64) -> Baseline:
    made = [fleet.world().batch(2_000_000 + i, per=60, source="lab") for i in range(25)]
    return fit_baseline(
        model=ModelRef(name=model, version=version),
        batches=made,
        keys=fleet.KEYS,
        dataset="synthetic",
        created_at=fleet.NOON,
        bins=bins,
    )


def beside(story: fleet.Story, baseline: Baseline, source: str) -> Recorder:
    """A source of another model or version, watched by the same service."""
    with story.services.sessions.begin() as session:
        baselines.add(session, baseline)
    return Recorder(
        model=baseline.model.name,
        deployment=fleet.DEPLOYMENT,
        source=source,
        boot="b1",
        keys=fleet.KEYS,
        window_s=1.0,
        rulers=lambda version: baseline.ruler,
    )


def play(story: fleet.Story, recorder: Recorder, n: int, scene: fleet.Scene, version: str) -> None:
    """``n`` windows of the watched model in a scene, and of the other source beside it."""
    for _ in range(n):
        tick = story.tick + 1
        batch, _ = fleet.world().batch(tick, per=3, source="beside")
        made = [*recorder.add(replace(batch, version=version)), *recorder.seal(float(tick))]
        assert {receipt.status for receipt in story.ship(made)} == {"accepted"}
        story.play(1, scene)


def failed(story: fleet.Story, model: str) -> float:
    return (
        story.services.metrics.registry.get_sample_value(
            "vigil_models_failed_total", {"model": model, "deployment": fleet.DEPLOYMENT}
        )
        or 0.0
    )


def waiting(story: fleet.Story) -> list[int]:
    with story.services.sessions() as session:
        return list(
            session.scalars(
                select(WindowRow.id).where(
                    WindowRow.judged_by.is_(None), WindowRow.origin == "live"
                )
            )
        )


def rows_of(story: fleet.Story, model: str) -> list[SignalPointRow]:
    return [row for row in story.rows(SignalPointRow) if row.model == model]


def test_a_model_that_cannot_be_scored_does_not_stop_the_others(
    story: fleet.Story, monkeypatch, caplog
):
    recorder = beside(story, fitted(OTHER, "1"), "beside")

    def score(parts, model, deployment):
        if model == OTHER:
            raise RulerMismatchError("not to be lined up")
        return scores.score(parts, model, deployment)

    monkeypatch.setattr(ticks, "score", score)
    with caplog.at_level(logging.ERROR):
        play(story, recorder, 4, fleet.HEALTHY, "1")
        play(story, recorder, 20, fleet.REGRESSED, "1")
    assert [incident.model for incident in story.incidents] == [fleet.MODEL]
    assert failed(story, OTHER) == 24
    assert failed(story, fleet.MODEL) == 0
    assert "letters in production" in caplog.text
    assert "not to be lined up" in caplog.text
    assert waiting(story) == []


def test_a_baseline_that_is_damaged_in_the_database_stops_its_own_model_only(
    lone_story: fleet.Story,
):
    recorder = beside(lone_story, fitted(OTHER, "1"), "beside")
    play(lone_story, recorder, 2, fleet.HEALTHY, "1")
    with lone_story.services.sessions.begin() as session:
        session.execute(
            update(BaselineRow).where(BaselineRow.model == OTHER).values(blob=b"damaged")
        )
    lone_story.works = wire(lone_story.services, holder="test")  # has read no baseline yet
    play(lone_story, recorder, 2, fleet.HEALTHY, "1")
    assert len(rows_of(lone_story, OTHER)) == 2
    assert len(rows_of(lone_story, fleet.MODEL)) == 4
    assert failed(lone_story, OTHER) == 2
    assert waiting(lone_story) == []


def test_what_a_failed_judgement_wrote_is_undone_and_done_again(story: fleet.Story, monkeypatch):
    """The response fails after the verdicts were written: no verdict without its incident."""
    story.play(6)
    original = Bridge.raise_alert
    broken: list[int] = []

    def once(self, session, diagnosis):
        if not broken:
            broken.append(story.tick)
            raise ValueError("no such thing")
        return original(self, session, diagnosis)

    monkeypatch.setattr(Bridge, "raise_alert", once)
    story.play(20, fleet.REGRESSED, until=lambda: bool(story.incidents))
    verdicts = [row.tick_id for row in story.rows(VerdictRow) if row.outcome == "drifted"]
    assert broken[0] not in verdicts
    # Evidence may dip below the threshold for a tick or two.
    assert broken[0] < min(verdicts) == story.tick <= broken[0] + 3
    assert failed(story, fleet.MODEL) == 1


def test_a_database_that_is_away_fails_the_whole_tick(lone_story: fleet.Story, monkeypatch):
    """It is no model's fault: nothing is marked as judged, and the tick is done again."""
    lone_story.play(2)

    def away(*args, **values):
        raise OperationalError("select", {}, Exception("away"))

    with monkeypatch.context() as patch:
        patch.setattr(References, "of_ruler", away)
        with pytest.raises(OperationalError):
            lone_story.play(1)
    assert len(waiting(lone_story)) == 1
    assert [report.tick for report in lone_story.works.ticks.run_due()] == [lone_story.tick]
    assert waiting(lone_story) == []


def test_versions_with_other_bins_are_left_out_beside_the_main_one(story: fleet.Story):
    """A candidate whose baseline has half the bins takes a few records of the traffic."""
    recorder = beside(story, fitted(fleet.MODEL, "candidate", bins=32), "beside")
    play(story, recorder, 4, fleet.HEALTHY, "candidate")
    play(story, recorder, 20, fleet.REGRESSED, "candidate")
    assert len(story.incidents) == 1
    assert failed(story, fleet.MODEL) == 0
    last = rows_of(story, fleet.MODEL)[-1]
    assert last.versions == {"v2": 48, "candidate": 12}
    assert last.values[str(WHOLE)]["confidence"][4] == 10 * 48


def test_the_log_of_verdicts_forgets_what_was_undone(lone_story: fleet.Story, monkeypatch):
    """A stream whose verdict was undone has no change back to healthy to tell of."""
    lone_story.play(6)

    def never(self, session, diagnosis):
        raise ValueError("no such thing")

    monkeypatch.setattr(Bridge, "raise_alert", never)
    lone_story.play(12, fleet.REGRESSED)
    assert failed(lone_story, fleet.MODEL) > 0
    with lone_story.services.sessions() as session:
        stored = VerdictLog.read(session, at=lone_story.clock.now())
    assert lone_story.works.ticks._verdicts._unsettled == stored._unsettled


def test_streams_for_which_there_is_no_room_are_told_of_once(lone_story: fleet.Story, caplog):
    lone_story.play(1)
    lone_story.works.ticks._engine.roster.max_streams = 0
    newcomers = replace(fleet.HEALTHY, cameras=fleet.CAMERAS + fleet.NEW_CAMERAS)
    with caplog.at_level(logging.WARNING):
        lone_story.play(3, newcomers)
    said = [record.message for record in caplog.records if "room" in record.message]
    assert said == ["digits in production: more slices than there is room for; some not judged"]
