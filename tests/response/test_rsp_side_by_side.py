"""Where the target version still runs, live traffic says whether a rollback would help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import small_fleet as fleet
from rsp_rollbacks import codes, work
from rsp_stage import Stage, a_finding

from vigil.pipeline.recorder import Recorder
from vigil.types import SignalKind

CANARY = replace(fleet.REGRESSED, per_camera=10)
CONTROL = replace(fleet.HEALTHY, per_camera=10)


def serve(
    stage: Stage,
    scene: fleet.Scene,
    source: str,
    *,
    deployment: str = fleet.DEPLOYMENT,
    windows: int = 9,
) -> None:
    """A source's windows of the last seconds before noon."""
    recorder = Recorder(
        model=fleet.MODEL,
        deployment=deployment,
        source=source,
        boot="b1",
        keys=fleet.KEYS,
        window_s=1.0,
        rulers=fleet.ruler_of,
    )
    made = []
    for tick in range(fleet.FIRST - windows, fleet.FIRST):
        made += recorder.add(fleet.world().batch(tick, scene, source=source)[0])
    made += recorder.close()
    blobs = [window.to_bytes() for window in made if window.summary.total_records]
    receipts = stage.services.ingest.windows(blobs)
    assert {receipt.status for receipt in receipts} == {"accepted"}


def proposed(stage: Stage, **values: Any) -> int:
    _, action = stage.bad_release(**values)
    stage.baselines()
    return action


def test_a_control_that_is_healthy_lets_it_go_without_a_replay(stage: Stage) -> None:
    """A canary of v2 beside v1, split by hash: both see every camera."""
    action = proposed(stage)
    serve(stage, CANARY, "host-2")
    serve(stage, CONTROL, "host-1")
    work(stage)
    row = stage.action(action)
    assert (row.state, "target_better" in codes(row, "allow")) == ("verifying", True)
    said = row.decision["interlock"]["text"]
    assert said.startswith("v1 is better: on the same 9 windows of a part of the traffic (360 rec")


def test_a_control_that_is_as_bad_refuses(lone_stage: Stage) -> None:
    """It is the world that changed, for v1 as for v2."""
    action = proposed(lone_stage)
    serve(lone_stage, CANARY, "host-2")
    serve(lone_stage, replace(CONTROL, temper=0.3), "host-1")
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "refuse")) == ("refused", {"no_better"})


def test_a_shadow_counts_as_the_target(lone_stage: Stage) -> None:
    action = proposed(lone_stage)
    serve(lone_stage, CANARY, "host-2")
    serve(lone_stage, CONTROL, "host-s", deployment="shadow")
    work(lone_stage)
    row = lone_stage.action(action)
    assert row.state == "verifying"
    assert "windows of a shadow" in row.decision["interlock"]["text"]


def test_other_cameras_are_no_comparison(lone_stage: Stage) -> None:
    """v1 is left on one site, v2 runs on the other: the site may make the difference."""
    action = proposed(lone_stage)
    serve(lone_stage, replace(CANARY, cameras=fleet.CAMERAS[:2]), "host-2")
    serve(lone_stage, replace(CONTROL, cameras=fleet.CAMERAS[2:]), "host-1")
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"no_counterfactual"})
    assert "0 windows of time and cells in common, 5 are needed" in row.result["text"]


@pytest.mark.parametrize("windows", [0, 4])
def test_too_short_a_time_side_by_side_is_no_comparison(lone_stage: Stage, windows: int) -> None:
    action = proposed(lone_stage)
    serve(lone_stage, CANARY, "host-2")
    if windows:
        serve(lone_stage, CONTROL, "host-1", windows=windows)
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "wait")) == ("waiting", {"no_counterfactual"})
    told = "4 windows of time" if windows else "neither a part of the traffic nor a shadow"
    assert told in row.result["text"]
    assert "neither an endpoint nor a function to replay through" in row.result["text"]


def test_what_served_before_the_onset_is_not_beside_it(lone_stage: Stage) -> None:
    """v1 was healthy, an hour ago: that says nothing of today's images."""
    action = proposed(lone_stage, onset_at=fleet.NOON)
    serve(lone_stage, CANARY, "host-2")
    serve(lone_stage, CONTROL, "host-1")
    work(lone_stage)
    assert lone_stage.action(action).state == "waiting"


def test_latency_which_no_replay_can_tell_is_compared(lone_stage: Stage) -> None:
    slow = a_finding("latency_s", 0.4, kind=SignalKind.SERVICE)
    action = proposed(lone_stage, findings=(slow,))
    serve(lone_stage, replace(CONTROL, version="v2", latency_s=0.5), "host-2")
    serve(lone_stage, CONTROL, "host-1")
    work(lone_stage)
    row = lone_stage.action(action)
    assert "v1 is better" in row.decision["interlock"]["text"], row.decision["interlock"]


def test_what_people_see_as_data_keeps_the_reasons_of_both_ways(lone_stage: Stage) -> None:
    """A signal that only labels tell is in no window."""
    action = proposed(lone_stage, findings=(a_finding("accuracy", kind=SignalKind.QUALITY),))
    serve(lone_stage, CANARY, "host-2")
    serve(lone_stage, CONTROL, "host-1")
    work(lone_stage)
    text = lone_stage.action(action).decision["interlock"]["text"]
    assert "neither an endpoint" in text
    assert "no signal that drifted is seen there" in text
