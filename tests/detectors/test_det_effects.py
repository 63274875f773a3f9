"""Effects: how large a drift is, and with what certainty."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.direction import changes, worse
from detectors.effects import effects, tolerance_of
from detectors.frame import Part
from detectors.intervals import newcombe, wilson
from detectors.quantiles import mixed_quantiles
from detectors.streams import StreamKey
from vigil.measuring.summarise import summarise
from vigil.types import WHOLE, Slice
from vigil.windows.summary import Summary

CAMERA = Slice((("camera", "c04"),))


def key(signal: str, piece: Slice = WHOLE) -> StreamKey:
    return StreamKey("digits", "production", piece, signal)


def many(fleet, baseline, windows: int, **faults) -> Part:
    total = Summary.total([fleet.summary(baseline, **faults) for _ in range(windows)])
    return Part(baseline=baseline, summary=total)


ALL = ("brightness", "sharpness", "confidence", "entropy", "margin", "embedding_distance",
       "predicted_class", "embedding")  # fmt: skip


def test_healthy_traffic_has_small_effects_once_there_is_enough(fleet, baseline):
    """After 30 windows every interval lies below its tolerance: that is what recovered means."""
    found = effects([many(fleet, baseline, 30)], [key(signal) for signal in ALL])
    assert {k.signal for k, effect in found.items() if effect.is_small} == set(ALL)


def test_intervals_cover_no_drift_nearly_always(fleet, baseline):
    """On 60 healthy windows of single cameras no effect is surely above 0."""
    above = 0
    for _ in range(60):
        found = effects([fleet.part(baseline)], [key(signal, CAMERA) for signal in ALL])
        above += sum(effect.low > 0 for effect in found.values())
    assert above <= 0.08 * 60 * len(ALL)


def test_a_blurred_camera_is_large_on_twelve_records_already(fleet, baseline):
    """KS near 1 with its interval above tolerance; the whole is less affected."""
    part = fleet.part(baseline, blurred=("s1", "c04"))
    found = effects([part], [key("sharpness", CAMERA), key("sharpness"), key("contrast", CAMERA)])
    blurred = found[key("sharpness", CAMERA)]
    assert blurred.is_large
    assert blurred.value > 0.9
    assert blurred.unit == "KS distance"
    assert found[key("sharpness")].value < 0.3
    assert not found[key("contrast", CAMERA)].is_large


def test_a_drift_below_tolerance_is_never_large(fleet, baseline):
    """However much data: a shift of a tenth of the spread stays within the tolerance."""
    total = Summary.total([fleet.summary(baseline, per_camera=60, temper=0.95) for _ in range(40)])
    effect = effects([Part(baseline=baseline, summary=total)], [key("confidence")])[
        key("confidence")
    ]
    assert effect.records > 25_000
    assert effect.low > 0.0
    assert effect.is_small


def test_the_true_distance_lies_inside_the_interval(fleet, baseline):
    """KS of a tempered model on few records covers what many records show."""
    truth = effects([many(fleet, baseline, 60, temper=0.4)], [key("confidence")])
    value = truth[key("confidence")].value
    inside = 0
    for _ in range(40):
        few = effects([fleet.part(baseline, temper=0.4)], [key("confidence")])[key("confidence")]
        inside += few.low <= value <= few.high
    assert inside >= 38


def test_novel_slices_are_measured_against_the_whole_baseline(fleet, baseline):
    """Out-of-range share for scalars, total variation and MMD for the others."""
    site = Slice((("site", "s9"),))
    part = fleet.part(baseline, 30, cameras=fleet.with_new_site, unfamiliar=2.0)
    found = effects([part], [key(s, site) for s in ("embedding_distance", "embedding", "contrast")])
    distance = found[key("embedding_distance", site)]
    assert distance.unit == "out-of-range share"
    assert distance.is_large
    assert found[key("embedding", site)].is_large
    assert found[key("contrast", site)].value < 0.1


def test_latency_is_measured_against_its_objective_only(fleet, baseline):
    """The 99th percentile less the objective, in seconds; without an objective no effect."""
    slow = many(fleet, baseline, 10, latency_s=0.2)
    assert effects([slow], [key("latency_s")]) == {}
    late = effects([slow], [key("latency_s")], objectives={"latency_s": 0.1})[key("latency_s")]
    expected = np.quantile(np.random.default_rng(0).gamma(5, 0.04, 200_000), 0.99) - 0.1
    assert late.is_large
    assert late.low <= expected * 1.15
    assert late.high >= expected * 0.85
    usual = many(fleet, baseline, 10)
    fast = effects([usual], [key("latency_s")], objectives={"latency_s": 0.1})[key("latency_s")]
    assert fast.is_small


def test_accuracy_and_calibration_fall_with_wrong_labels(fleet, baseline):
    """A loss of accuracy is positive; healthy labels are within tolerance of none."""
    batch = fleet.batch(200)
    summary, _, _ = summarise(batch, baseline.ruler)

    def measured(error: float):
        part = Part(baseline=baseline, summary=summary, outcomes=fleet.outcomes(batch, error))
        return effects([part], [key("accuracy"), key("calibration")])

    healthy, broken = measured(0.0), measured(0.4)
    assert not any(effect.is_large for effect in healthy.values())
    assert all(effect.is_large for effect in broken.values())
    assert 0.2 < broken[key("accuracy")].value < 0.5


def test_a_baseline_without_labels_has_no_loss_of_accuracy(fleet):
    """There is nothing to lose against; calibration is measured in itself."""
    bare = fleet.baseline(labelled=False)
    batch = fleet.batch(100)
    summary, _, _ = summarise(batch, bare.ruler)
    part = Part(baseline=bare, summary=summary, outcomes=fleet.outcomes(batch))
    found = effects([part], [key("accuracy"), key("calibration")])
    assert set(found) == {key("calibration")}


def test_tolerances_can_be_set(fleet, baseline):
    """The catalogue's where not stated."""
    part = fleet.part(baseline, blurred=("s1", "c04"))
    stream = key("sharpness", CAMERA)
    assert effects([part], [stream], tolerances={"sharpness": 0.95})[stream].tolerance == 0.95
    assert tolerance_of("sharpness") == 0.15
    assert not effects([part], [stream], tolerances={"sharpness": 0.95})[stream].is_large


def test_slices_without_records_have_no_effect(fleet, baseline):
    """An unknown camera and no streams at all give nothing, not an error."""
    part = fleet.part(baseline)
    assert effects([part], [key("noise", Slice((("camera", "none"),)))]) == {}
    assert effects([part], []) == {}
    assert changes([part], []) == {}


def test_changes_have_a_direction(fleet, baseline):
    """Sharpness falls by five standard deviations; confidence falls when tempered."""
    blurred = fleet.part(baseline, blurred=("s1", "c04"))
    moved = changes([blurred], [key("sharpness", CAMERA), key("predicted_class", CAMERA)])
    assert moved[key("sharpness", CAMERA)] == pytest.approx(-5.0, abs=0.7)
    assert key("predicted_class", CAMERA) not in moved
    tempered = changes([fleet.part(baseline, temper=0.3)], [key("confidence"), key("entropy")])
    assert tempered[key("confidence")] < -0.5
    assert tempered[key("entropy")] > 0.5


@pytest.mark.parametrize(
    ("signal", "change", "expected"),
    [
        ("confidence", -1.0, True),
        ("confidence", 1.0, False),
        ("entropy", 1.0, True),
        ("brightness", -9.0, False),
        ("accuracy", -0.1, True),
        ("unheard_of", -1.0, False),
    ],
)
def test_worse_is_not_merely_different(signal, change, expected):
    """Each signal says which way it harms."""
    assert worse(signal, change) is expected


def test_wilson_agrees_with_the_published_example():
    """Newcombe 1998, table I: 81 of 263 is 0.2553 to 0.3662; 0 of 20 is 0 to 0.1611."""
    low, high = wilson(np.array([81.0, 0.0, 0.0]), np.array([263.0, 20.0, 0.0]))
    np.testing.assert_allclose(low[:2], [0.2553, 0.0], atol=1e-4)
    np.testing.assert_allclose(high[:2], [0.3662, 0.1611], atol=1e-4)
    assert (low[2], high[2]) == (0.0, 1.0)


def test_newcombe_interval_holds_the_difference():
    """It lies around expected - share and widens with the expectation's own noise."""
    low, high = newcombe(np.array([0.9]), np.array([0.0]), np.array([80.0]), np.array([100.0]))
    wide_low, wide_high = newcombe(
        np.array([0.9]), np.array([0.05]), np.array([80.0]), np.array([100.0])
    )
    assert low[0] < 0.1 < high[0]
    assert wide_low[0] < low[0]
    assert wide_high[0] > high[0]


def test_quantiles_of_histograms_with_other_edges():
    """Two uniform halves measured with different edges give the quantiles of their mixture."""
    rng = np.random.default_rng(0)
    first, second = rng.random(20_000), rng.random(20_000) + 1.0
    edges = (np.linspace(0, 2, 41), np.linspace(0, 2, 67))
    histograms = [
        (e, np.bincount(np.searchsorted(e, x, side="right"), minlength=len(e) + 1).astype(float))
        for e, x in zip(edges, (first, second), strict=True)
    ]
    found, below, above = mixed_quantiles(histograms, np.array([0.25, 0.5, 0.99]))
    np.testing.assert_allclose(found, [0.5, 1.0, 1.98], atol=0.03)
    assert ((below <= found) & (found <= above)).all()


def test_quantiles_of_a_constant():
    """All records in one bin between equal edges: every quantile is there."""
    edges = np.array([1.0, 1.0, 1.0, 2.0])
    counts = np.array([0.0, 0.0, 0.0, 50.0, 0.0])
    _, below, above = mixed_quantiles([(edges, counts)], np.array([0.5, 0.99]))
    assert (below.tolist(), above.tolist()) == ([1.0, 1.0], [2.0, 2.0])
