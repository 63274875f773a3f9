"""The drift track on windows: against the cells' own baselines, whatever the mix."""

from __future__ import annotations

import numpy as np

from detectors.evidence.band import COLUMNS, BandEvidence
from detectors.evidence.band_frame import band_batch, join_batches
from detectors.streams import StreamKey
from vigil.types import WHOLE, Slice


def step(fleet, baseline, *, tolerance=0.1, blocks=4, per_camera=40, **faults):
    made = [[fleet.part(baseline, per_camera, **faults)] for _ in range(blocks)]
    found = band_batch(made, "digits", "production", lambda stream: tolerance)
    assert found is not None
    return found


def test_expected_shares_are_those_of_the_cells_own_baselines(fleet, baseline):
    found = step(fleet, baseline)
    assert {stream.slice for stream in found.streams} > {WHOLE, Slice((("camera", "c00"),))}
    assert {s.signal for s in found.streams} >= {"brightness", "confidence", "predicted_class"}
    assert "latency_s" not in {s.signal for s in found.streams}
    gap = np.abs(found.counts / found.records[:, None] - found.expected)
    assert np.nanmean(gap) < 0.05
    whole = [s.slice == WHOLE for s in found.streams]
    assert np.nanmax(gap[whole]) < 0.08
    assert 0.5 < np.nanmedian(found.deff) < 1.5


def test_the_mix_of_the_traffic_is_no_drift(fleet, baseline):
    """Three cameras of twelve: each with a look of its own, the whole is compared as they are."""
    found = step(fleet, baseline, cameras=fleet.cameras[:3], per_camera=150)
    track = BandEvidence(50.0)
    for number in range(6):
        found = step(fleet, baseline, cameras=fleet.cameras[:3], per_camera=100)
        result = track.step(found, step=number)
    assert not result.exceeded.any()


def test_a_fault_on_one_camera_is_found_there(fleet, baseline):
    track = BandEvidence(50.0)
    for number in range(3):
        found = step(fleet, baseline, blurred=fleet.cameras[4])
        result = track.step(found, step=number)
    loud = {s for s, e in zip(result.streams, result.exceeded, strict=True) if e}
    camera = Slice((("camera", fleet.cameras[4][1]),))
    assert StreamKey("digits", "production", camera, "sharpness") in loud
    assert all(s.signal == "sharpness" for s in loud)
    assert not any(s.slice == Slice((("camera", "c00"),)) for s in loud)


def test_columns_that_are_not_used_are_marked(fleet, baseline):
    found = step(fleet, baseline)
    rows = [i for i, s in enumerate(found.streams) if s.signal == "predicted_class"]
    assert np.isfinite(found.expected[rows, :6]).all()
    assert np.isnan(found.expected[rows, 6:]).all()
    np.testing.assert_allclose(np.nansum(found.expected[rows], axis=1), 1.0, rtol=1e-9)
    both = join_batches([found, found])
    assert both is not None
    assert both.counts.shape == (2 * len(found.streams), COLUMNS)


def test_nothing_seen_is_no_step():
    assert band_batch([], "m", "p", lambda stream: 0.1) is None
    assert band_batch([[], []], "m", "p", lambda stream: 0.1) is None
    assert join_batches([]) is None
