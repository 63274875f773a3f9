"""Each fault of the data end to end: from images that a tap measures to an incident."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_fleet import (
    DEPLOYMENT,
    FIRST,
    HEALTHY,
    KEYS,
    MODEL,
    Scene,
    Story,
    at,
    baseline,
    restore,
    world,
)
from small_fleet.service import history_rows

from detectors.fit import fit_baseline
from monitor.checks import quiet
from monitor.store import baselines
from vigil.measuring.measure import Measure
from vigil.pipeline.recorder import Recorder
from vigil.types import ModelRef

SIDE = 24


def images_of(tick, cameras):
    """What cameras see: a look of their own, and noise of the sensor."""
    rng = np.random.default_rng([5, tick])
    looks = {
        camera: np.random.default_rng(i).integers(30, 220, (SIDE, SIDE, 3))
        for i, camera in enumerate(sorted(set(cameras)))
    }
    noise = rng.normal(0, 4, (len(cameras), SIDE, SIDE, 3))
    return np.clip(np.stack([looks[one] for one in cameras]) + noise, 0, 255).astype(np.uint8)


class Cameras:
    """A tap's pipeline behind the fleet's model, with images of its own."""

    def __init__(self, ruler):
        self.measure = Measure(keys=KEYS, thumbnails=True)
        self.recorder = Recorder(
            model=MODEL, deployment=DEPLOYMENT, source="host-1", boot="b1", keys=KEYS,
            window_s=1.0, rulers=lambda version: ruler,
        )  # fmt: skip

    def arguments(self, tick, scene=HEALTHY):
        made, _ = world().batch(tick, scene)
        cameras = [row["camera"] for row in made.metadata]
        return {
            "ids": made.ids,
            "counter": made.counter,
            "custom_ids": False,
            "time_s": tick - 1 + np.linspace(0.01, 0.9, len(made)),
            "version": "v1",
            "images": images_of(tick, cameras),
            "embeddings": made.embedding,
            "outputs": made.probabilities,
            "metadata": list(made.metadata),
        }

    def windows(self, tick, change, scene=HEALTHY):
        arguments = self.arguments(tick, scene)
        cameras = np.array([row["camera"] for row in arguments["metadata"]])
        change(arguments, cameras)
        lost = arguments.pop("lost", {})
        made = self.recorder.add(self.measure.batch(**arguments))
        for reason, n in lost.items():
            self.recorder.drop(reason, n)
        return [*made, *self.recorder.seal(float(tick))]


@pytest.fixture(scope="module")
def learned():
    """The fleet's baseline, of images this time, with their schema."""
    cameras = Cameras(None)
    measure = Measure(keys=KEYS)
    made = [
        measure.batch(**cameras.arguments(2_000_000 + i, Scene(per_camera=40))) for i in range(6)
    ]
    return fit_baseline(
        model=ModelRef(name=MODEL, version="v1"),
        batches=[(batch, None) for batch in made],
        keys=KEYS,
        dataset="cameras",
        created_at=at(FIRST - 10),
    )


@pytest.fixture
def told(sqlite_url, learned):
    restore(sqlite_url, history_rows())
    story = Story(sqlite_url)
    with story.services.sessions.begin() as session:
        baselines.add(session, learned)
    story.cameras = Cameras(learned.ruler)
    yield story
    story.close()


def play(story, ticks, change=lambda arguments, cameras: None, scene=HEALTHY):
    for _ in range(ticks):
        tick = story.tick + 1
        receipts = story.ship(story.cameras.windows(tick, change, scene))
        assert {one.status for one in receipts} == {"accepted"}
        story.to(tick)
        story.works.ticks.run_due()
    return story.incidents


def black(arguments, cameras):
    arguments["images"][cameras == "n2"] = 0


def half_black(arguments, cameras):
    arguments["images"][np.flatnonzero(cameras == "n2")[::2]] = 0


def frozen(arguments, cameras):
    arguments["images"][cameras == "s1"] = images_of(1, ["s1"])[0]


def another_size(arguments, cameras):
    arguments["images"] = np.repeat(arguments["images"], 2, axis=1)


def another_range(arguments, cameras):
    arguments["images"] = arguments["images"].astype(np.float32)


def nameless(arguments, cameras):
    arguments["metadata"] = [{"site": row["site"]} for row in arguments["metadata"]]


def cut_files(arguments, cameras):
    arguments["lost"] = {"truncated": 20}


@pytest.mark.parametrize(
    ("fault", "signal", "slice_text", "says"),
    [
        (black, "black_frame", "camera=n2", "frames are black: 100%"),
        (half_black, "black_frame", "camera=n2", "frames are black: 50%"),
        (frozen, "frozen_frame", "camera=s1", "one and the same frame"),
        (another_size, "image_size", "all traffic", "expected 24x24, found 48x24"),
        (nameless, "key_missing", "all traffic", "expected the key camera, found none"),
        (cut_files, "truncated", "all traffic", "20 of 68 inputs came truncated"),
    ],
)
def test_a_fault_of_the_data_is_an_incident_at_once(told, fault, signal, slice_text, says):
    assert play(told, 3) == []
    (incident,) = play(told, 3, fault)
    assert (incident.kind, incident.cause) == ("hard_fault", "input_fault")
    findings = {one["signal"]: one for one in incident.findings}
    assert signal in findings
    assert says in str([one["reason"] for one in incident.findings]) + str(incident.reasons)
    if incident.slice != slice_text:
        assert slice_text in str(findings[signal]["slice"])


def test_a_camera_that_stops_is_missed_while_others_go_on(sqlite_url, monkeypatch):
    """Once, for as long as it is gone, also when memory no longer reaches back to it."""
    monkeypatch.setattr(quiet, "KEPT_TICKS", 24)
    restore(sqlite_url, history_rows())
    story = Story(sqlite_url, watched={"steady": ("camera",)})
    story.play(23)
    three = tuple(one for one in HEALTHY.cameras if one[1] != "n1")
    story.play(2, Scene(cameras=three))
    assert story.incidents == []
    story.play(25, Scene(cameras=three))
    missed = [one for one in story.incidents if one.cause == "no_data"]
    assert [one.slice for one in missed] == ["camera=n1"]
    assert "n1 has sent nothing for 3 windows" in missed[0].reasons[0]
    assert missed[0].last_firing_at >= at(story.tick - 1)
    story.close()


def test_an_older_baseline_without_schema_is_judged_as_before(sqlite_url, learned):
    """It checks nothing that it never learned."""
    restore(sqlite_url, history_rows())
    story = Story(sqlite_url)
    old = replace(learned, ruler=replace(learned.ruler, schema=None), sha256="")
    with story.services.sessions.begin() as session:
        baselines.add(session, old)
    story.cameras = Cameras(old.ruler)
    assert play(story, 3, nameless) == []
    story.close()
    assert baseline("v1").ruler.schema is not None
