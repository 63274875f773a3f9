"""Calibration and risk on late labels: valid under the null, at the boundary too; delays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from detectors.evidence.calibration import CalibrationEvidence, calibration_e_value
from detectors.evidence.labels import LabelBatch
from detectors.evidence.risk import RiskEvidence, risk_e_value, upper_risk
from vigil.errors import ConflictError, ShapeError, WireError


def draw(rng, n, gap):
    """Confidence and correctness with the same gap in every bin."""
    confidence = rng.uniform(0.6, 1.0, n)
    return confidence, (rng.random(n) < np.clip(confidence - gap, 0, 1)).astype(float)


def labels(stream, confidence, loss, share=1.0):
    n = len(confidence)
    return LabelBatch(
        stream=np.broadcast_to(np.asarray(stream, np.int64), (n,)),
        confidence=np.asarray(confidence, float),
        loss=np.asarray(loss, float),
        share=np.broadcast_to(np.asarray(share, float), (n,)),
    )


def test_a_calibrated_model_at_the_edge_of_the_tolerance_is_not_accused():
    """200 runs of 3000 labels whose ECE is exactly the tolerance, alpha 0.05."""
    rng = np.random.default_rng(1)
    crossed = 0
    for _ in range(200):
        confidence, correct = draw(rng, 3000, 0.02)
        crossed += calibration_e_value(confidence, correct, tolerance=0.02) >= np.log(20)
    assert crossed <= binom.ppf(1 - 1e-4, 200, 0.05)


@pytest.mark.parametrize(("gap", "most"), [(0.05, 5000), (0.10, 900)])
def test_miscalibration_is_found_in_about_as_many_labels_as_stated(gap, most):
    """Tolerance 0.02, alpha 0.01: 4350 labels for a gap of 0.05, 650 for 0.10 (median)."""
    found = [
        calibration_e_value(*draw(np.random.default_rng(seed), most, gap)) >= np.log(100)
        for seed in range(21)
    ]
    assert np.mean(found) > 0.5


def test_gaps_of_both_signs_add_up():
    """Half of the bins too sure, half not sure enough: the mean gap is nothing, the ECE is 0.1."""
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.2, 0.8, 4000)
    right = confidence + np.where((confidence * 15).astype(int) % 2 == 0, 0.1, -0.1)
    correct = rng.random(4000) < right
    assert calibration_e_value(confidence, correct) > np.log(1000)


def test_sampled_labels_are_weighted():
    """Unsure predictions get labels ten times as often. They are badly calibrated, but rare in the
    traffic: the traffic's ECE is below the tolerance."""
    rng = np.random.default_rng(3)
    unsure = rng.random(60_000) < 0.1
    confidence = np.where(unsure, 0.55, 0.95)
    correct = rng.random(60_000) < np.where(unsure, 0.40, 0.95)
    share = np.where(unsure, 1.0, 0.1)
    got = rng.random(60_000) < share
    sampled = confidence[got], correct[got]
    assert calibration_e_value(*sampled, tolerance=0.02) > np.log(1000)
    weighted = calibration_e_value(*sampled, tolerance=0.02, share=share[got], least_share=0.1)
    assert weighted < np.log(20)
    with pytest.raises(ValueError, match=r"labels\.share"):
        calibration_e_value(*sampled, share=share[got], least_share=0.5)


def test_false_crossings_of_calibration_streams_stay_within_the_budget(plain):
    """50 streams at the edge of the tolerance, 200 steps, one crossing in 40 allowed: 5 at most."""
    rng = np.random.default_rng(4)
    streams = plain.streams(50)
    track, crossings = CalibrationEvidence(40.0), 0
    for step in range(200):
        confidence, correct = draw(rng, 500, 0.02)
        batch = labels(np.repeat(np.arange(50), 10), confidence, 1 - correct)
        found = track.step(streams, batch, 0.02, step=step)
        loud = [s for s, e in zip(streams, found.exceeded, strict=True) if e]
        crossings += len(loud)
        track.reset(loud)
    assert crossings <= 5 + 2 * np.sqrt(5)


def test_a_long_harmless_lean_does_not_blind_a_stream(plain):
    """100 000 labels too modest by 0.015, then too sure by 0.1: found within 3000 labels."""
    streams = plain.streams(1)
    rng = np.random.default_rng(5)
    track = CalibrationEvidence(1000.0)
    for step in range(1000):
        gap = -0.015 if step < 970 else 0.1
        confidence, correct = draw(rng, 100, gap)
        found = track.step(streams, labels(0, confidence, 1 - correct), 0.02, step=step)
        assert step >= 970 or not found.exceeded[0]
    assert found.exceeded[0]


def test_the_upper_risk_is_that_of_clopper_and_pearson():
    assert upper_risk(10, 100, delta=0.05) == pytest.approx(beta.ppf(0.95, 11, 90))
    assert upper_risk(0, 0) == 1.0
    assert upper_risk(5, 5) == 1.0


def test_risk_at_the_bound_is_not_accused_whatever_the_season():
    """The error rate swings around the bound's half and up to it; alpha 0.05, 300 runs."""
    rng = np.random.default_rng(6)
    crossed = 0
    for _ in range(300):
        risk = 0.1 - 0.05 * (rng.random() < 0.5) * (1 + np.sin(np.arange(2000) / 100))
        crossed += risk_e_value((rng.random(2000) < risk).astype(float), 0.1) >= np.log(20)
    assert crossed <= binom.ppf(1 - 1e-4, 300, 0.05)


def test_a_risk_beyond_the_bound_is_found():
    rng = np.random.default_rng(7)
    wrong = (rng.random(2000) < 0.16).astype(float)
    assert risk_e_value(wrong, 0.1) > np.log(100)
    assert risk_e_value(wrong[:20], 0.1) < np.log(100)
    assert risk_e_value(wrong, 1.2) == 0.0
    assert risk_e_value([], 0.1) == 0.0


def test_weighted_risk_is_that_of_the_traffic():
    """Errors get labels twice as often, and the weights undo it."""
    rng = np.random.default_rng(8)
    hard = rng.random(20_000) < 0.2
    wrong = rng.random(20_000) < np.where(hard, 0.4, 0.02)
    share = np.where(hard, 1.0, 0.25)
    got = rng.random(20_000) < share
    loss = wrong[got].astype(float)
    assert risk_e_value(loss, 0.11) > np.log(1000)
    assert risk_e_value(loss, 0.11, share=share[got], least_share=0.25) < np.log(20)


def test_false_crossings_of_risk_streams_stay_within_the_budget(plain):
    rng = np.random.default_rng(9)
    streams = plain.streams(50)
    track, crossings = RiskEvidence(40.0), 0
    for step in range(400):
        stream = np.repeat(np.arange(50), 20)
        batch = labels(stream, np.zeros(1000), rng.random(1000) < 0.1)
        found = track.step(streams, batch, 0.1, step=step)
        loud = [s for s, e in zip(streams, found.exceeded, strict=True) if e]
        crossings += len(loud)
        track.reset(loud)
    assert 0 < crossings <= 10 + 2 * np.sqrt(10)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40), st.randoms())
def test_the_order_inside_a_batch_does_not_matter(pairs, random):
    mixed = pairs.copy()
    random.shuffle(mixed)
    one, other = (np.array(each, float).T for each in (pairs, mixed))
    assert calibration_e_value(*one) == pytest.approx(calibration_e_value(*other), abs=1e-9)
    assert risk_e_value(one[1], 0.2) == pytest.approx(risk_e_value(other[1], 0.2), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(0, 50), st.floats(0.01, 0.9))
def test_one_more_error_never_lowers_the_evidence_of_risk(right, wrong, bound):
    base = np.concatenate([np.zeros(right), np.ones(wrong)])
    worse = base.copy()
    worse[0] = 1.0
    assert risk_e_value(worse, bound) >= risk_e_value(base, bound)


@pytest.mark.parametrize("track", [CalibrationEvidence(50.0), RiskEvidence(50.0)])
def test_saving_and_restoring_changes_nothing(plain, track):
    rng = np.random.default_rng(10)
    streams = plain.streams(3)
    for step in range(3):
        confidence, correct = draw(rng, 30, 0.05)
        batch = labels(np.arange(30) % 3, confidence, 1 - correct)
        first = track.step(streams, batch, 0.1, step=step)
        track = type(track).from_bytes(track.to_bytes())
    again = type(track).from_bytes(track.to_bytes())
    confidence, correct = draw(rng, 30, 0.05)
    batch = labels(np.arange(30) % 3, confidence, 1 - correct)
    first = track.step(streams, batch, 0.1, step=3)
    second = again.step(streams, batch, 0.1, step=3)
    assert np.array_equal(first.evidence, second.evidence)
    assert first.labels.tolist() == [10, 10, 10]
    with pytest.raises(ConflictError):
        track.step(streams, batch, 0.1, step=3)
    with pytest.raises(WireError):
        type(track).from_bytes(b"x" * 40)


def test_errors_say_what_was_expected(plain):
    with pytest.raises(ShapeError, match="correct"):
        calibration_e_value([0.5, 0.6], [1.0])
    with pytest.raises(ShapeError, match="loss"):
        risk_e_value(np.zeros((2, 2)), 0.1)
    with pytest.raises(ValueError, match=r"labels\.loss"):
        risk_e_value([2.0], 0.1)
    with pytest.raises(ValueError, match=r"labels\.stream"):
        RiskEvidence(10.0).step(plain.streams(1), labels(1, [0.5], [0.0]), 0.1, step=0)
    assert calibration_e_value([np.nan], [1.0]) == pytest.approx(0.0)
