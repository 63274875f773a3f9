"""A shadow of the earlier version answered the incident's own records: that is a counterfactual."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import small_fleet as fleet
from rsp_rollbacks import codes, work
from rsp_stage import Stage

from monitor.response.shadow_pairs import paired
from vigil.pipeline.recorder import Recorder
from vigil.split import shadow_id
from vigil.windows.sample import Sample


def serve(
    stage: Stage,
    scene: fleet.Scene,
    *,
    deployment: str = fleet.DEPLOYMENT,
    rename: Any = None,
    uris: bool = False,
) -> None:
    """The same inputs whatever the scene: nine windows with their samples, no pixels."""
    recorder = Recorder(
        model=fleet.MODEL,
        deployment=deployment,
        source=f"host-{deployment}",
        boot="b1",
        keys=fleet.KEYS,
        window_s=1.0,
        rulers=fleet.ruler_of,
    )
    made = []
    for tick in range(fleet.FIRST - 9, fleet.FIRST):
        batch, _ = fleet.world().batch(tick, scene)
        named = tuple(f"s3://images/{one}" for one in batch.ids) if uris else batch.uris
        ids = tuple(rename(one) for one in batch.ids) if rename else batch.ids
        made += recorder.add(replace(batch, ids=ids, uris=named))
    made += recorder.close()
    blobs = [window.to_bytes() for window in made if window.summary.total_records]
    receipts = stage.services.ingest.windows(blobs)
    assert {receipt.status for receipt in receipts} == {"accepted"}


def proposed(stage: Stage, **changes: int) -> int:
    _, action = stage.bad_release()
    stage.baselines()
    serve(stage, replace(fleet.REGRESSED, **changes), uris=True)
    return action


@pytest.mark.parametrize("how", ["shadow id", "same id", "uri"])
def test_what_a_shadow_answered_record_by_record_lets_it_go(lone_stage: Stage, how: str) -> None:
    """Without a replay and without pixels; by its id, or by the image's uri."""
    few = {"per_camera": 6}  # so few are all sampled, whatever their ids
    action = proposed(lone_stage, **few)
    rename = {"shadow id": shadow_id, "same id": None, "uri": lambda one: f"other-{one}"}[how]
    scene = replace(fleet.HEALTHY, **few)
    serve(lone_stage, scene, deployment="shadow", rename=rename, uris=how == "uri")
    work(lone_stage)
    row = lone_stage.action(action)
    said = row.decision["interlock"]["text"]
    assert said.startswith("v1 is better: on the same 216 records, which a shadow answered too,")
    assert row.state == "verifying"


def test_a_shadow_that_is_as_bad_refuses(lone_stage: Stage) -> None:
    action = proposed(lone_stage)
    bad = replace(fleet.HEALTHY, temper=fleet.REGRESSED.temper)
    serve(lone_stage, bad, deployment="shadow", rename=shadow_id)
    work(lone_stage)
    row = lone_stage.action(action)
    assert (row.state, codes(row, "refuse")) == ("refused", {"no_better"})
    assert "records, which a shadow answered too" in row.decision["interlock"]["text"]


def test_too_few_pairs_leave_it_to_the_windows_of_the_shadow(lone_stage: Stage) -> None:
    """Its records have names of their own: windows of both are compared, as ever."""
    action = proposed(lone_stage)
    serve(lone_stage, fleet.HEALTHY, deployment="shadow", rename=lambda one: f"x-{one}")
    work(lone_stage)
    row = lone_stage.action(action)
    assert "windows of a shadow" in row.decision["interlock"]["text"]


def some(ids: list[str], uris: list[str]) -> Sample:
    n = len(ids)
    return replace(
        Sample.empty(),
        ids=tuple(ids),
        uris=tuple(uris),
        versions=("v",) * n,
        metadata=({},) * n,
        trace_ids=("",) * n,
        time_s=np.zeros(n),
        prediction=np.zeros(n, np.int32),
        probabilities=np.zeros((n, 0), np.float16),
        embedding=np.zeros((n, 0), np.float16),
        signals=np.zeros((n, 0), np.float32),
        priority=np.zeros(n),
        weight=np.zeros(n),
        thumbnails=np.zeros((n, 0, 0, 0), np.uint8),
    )


def test_records_are_paired_by_id_and_by_a_uri_that_is_unique() -> None:
    """A uri that two records share (a camera's address, say) pairs nothing; nor does none."""
    serving = some(["a", "b", "c", "d", "e"], ["u1", "u2", "cam", "cam", ""])
    shadow = some(["shadow:b", "x", "y", "z", "a"], ["u9", "u2", "cam", "", "u1"])
    assert paired(serving, shadow) == ([0, 1], [4, 0])
    others = some(["p", "q"], ["u2", "cam"])
    assert paired(serving, others) == ([1], [0])


def test_a_shadow_samples_the_inputs_that_the_version_beside_it_samples() -> None:
    """Else pairs would be as rare as the product of both shares."""
    batch, _ = fleet.world().batch(fleet.FIRST, replace(fleet.HEALTHY, per_camera=200))
    kept = []
    for rename in (None, shadow_id):
        recorder = fleet.recorder_of("host-1")
        ids = tuple(rename(one) for one in batch.ids) if rename else batch.ids
        recorder.add(replace(batch, ids=ids))
        (window,) = recorder.close()
        kept.append({one.removeprefix("shadow:") for one in window.sample.ids})
    assert kept[0] == kept[1]
