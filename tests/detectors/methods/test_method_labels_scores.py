"""Accuracy, Brier, likelihood, calibration and reliability: oracles, false alarms, coverage."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import brier_score_loss, log_loss

import detectors
from detectors.methods.labels.accuracy_change import difference_of_shares
from detectors.methods.labels.brier import brier_scores, decomposition
from detectors.methods.labels.labelled import Labelled, concatenate
from detectors.methods.labels.mean_change import rise_of_mean
from vigil.types import Outcome

MODULES = (
    "accuracy_change",
    "brier",
    "calibration_error",
    "negative_log_likelihood",
    "reliability_curve",
)


def sample(
    rng: np.random.Generator, n: int, *, gap: float = 0.0, low: float = 0.55, high: float = 0.95
) -> Labelled:
    """Two classes; confidence uniform; right as often as it says, less ``gap``."""
    p = rng.uniform(low, high, n)
    right = rng.random(n) < p - gap
    first = rng.random(n) < 0.5
    probabilities = np.where(first[:, None], np.stack([p, 1 - p], 1), np.stack([1 - p, p], 1))
    return Labelled(probabilities=probabilities, labels=np.where(right, ~first, first).astype(int))


def many(rng: np.random.Generator, n: int, classes: int = 4) -> Labelled:
    """Calibrated probabilities of several classes."""
    p = rng.dirichlet(np.full(classes, 0.5), n)
    labels = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return Labelled(probabilities=p, labels=labels)


def test_brier_and_likelihood_are_those_of_scikit_learn() -> None:
    """The means of both sides, and the difference, to rounding."""
    rng = np.random.default_rng(1)
    one, two = many(rng, 500), many(rng, 300)
    want = [
        brier_score_loss(s.truth, s.probabilities, labels=range(4), scale_by_half=False)
        for s in (one, two)
    ]
    got = detectors.get("brier").compare(one, two)
    assert got.details["reference"]["score"] == pytest.approx(want[0])
    assert got.effect.value == pytest.approx(want[1] - want[0])
    one, two = (
        Labelled(probabilities=s.probabilities * 0.99 + 0.0025, labels=s.labels) for s in (one, two)
    )
    want = [log_loss(s.truth, s.probabilities, labels=range(4)) for s in (one, two)]
    got = detectors.get("negative_log_likelihood").compare(one, two)
    assert got.details["reference"] == pytest.approx(want[0])
    assert got.effect.value == pytest.approx(want[1] - want[0])


def test_murphys_terms_add_up() -> None:
    """By hand: two forecasts, each constant in its bin, leave nothing inside the bins."""
    p = np.array([[0.8, 0.2]] * 10 + [[0.3, 0.7]] * 10)
    labels = np.array([0] * 7 + [1] * 3 + [0] * 4 + [1] * 6)
    found = decomposition(Labelled(probabilities=p, labels=labels), 10)
    assert found["reliability"] == pytest.approx(2 * (0.5 * 0.1**2 + 0.5 * 0.1**2))
    assert found["resolution"] == pytest.approx(2 * 0.15**2)
    assert found["uncertainty"] == pytest.approx(2 * 0.55 * 0.45)
    assert found["within_bins"] == pytest.approx(0.0, abs=1e-12)


def test_expected_calibration_error_by_hand() -> None:
    """Two bins of equal width: 0.6 said and half right; 0.9 said and 3 of 4 right."""
    p = np.array([0.6] * 4 + [0.9] * 4)
    labels = np.array([0, 0, 1, 1, 0, 0, 0, 1])
    one = Labelled(probabilities=np.stack([p, 1 - p], axis=1), labels=labels)
    found = detectors.get("calibration_error", bins=4, binning="equal_width").compare(one, one)
    assert found.details["current"]["ece"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.15)
    squared = 0.5 * (0.1**2 - 0.25 / 3) + 0.5 * (0.15**2 - 0.1875 / 3)
    assert found.details["current"]["squared"] == pytest.approx(squared)
    assert found.effect.value == 0.0


def test_squared_calibration_error_has_no_bias() -> None:
    """Of a calibrated model its mean is zero; the plain binned error is far from it."""
    rng = np.random.default_rng(2)
    detector = detectors.get("calibration_error", permutations=1)
    seen = [detector.compare(sample(rng, 300), sample(rng, 300)).details for _ in range(300)]
    squared = np.array([one["current"]["squared"] for one in seen])
    assert abs(squared.mean()) < 4 * squared.std() / np.sqrt(len(squared))
    plain, debiased = (
        np.mean([one["current"][name] for one in seen]) for name in ("ece", "debiased")
    )
    assert plain > 0.06
    assert debiased < 0.7 * plain


def test_fishers_test_is_scipys() -> None:
    """One-sided, for a loss."""
    rng = np.random.default_rng(3)
    one, two = sample(rng, 90), sample(rng, 60, gap=0.1)
    a, b = int(one.correct.sum()), int(two.correct.sum())
    want = stats.fisher_exact([[a, 90 - a], [b, 60 - b]], alternative="greater").pvalue
    assert detectors.get("accuracy_change").compare(one, two).p_value == pytest.approx(want)


@pytest.mark.parametrize(
    ("name", "settings_"),
    [
        ("accuracy_change", {}),
        ("brier", {"permutations": 199}),
        ("negative_log_likelihood", {"permutations": 199}),
        ("calibration_error", {"permutations": 199, "bins": 8}),
        ("reliability_curve", {"bins": 5}),
    ],
)
def test_alarms_without_change_stay_within_alpha(name: str, settings_: dict[str, Any]) -> None:
    """The test rejects in at most alpha of the comparisons (99.9 % binomial bound), and the
    tolerance then leaves next to nothing."""
    rng = np.random.default_rng(4)
    times, alpha = 250, 0.05
    detector = detectors.get(name, alpha=alpha, **settings_)
    found = [detector.compare(sample(rng, 300), sample(rng, 200)) for _ in range(times)]
    rejected = sum(one.p_value is not None and one.p_value <= alpha for one in found)
    assert rejected <= stats.binom.ppf(0.999, times, alpha)
    assert sum(one.outcome is Outcome.DRIFTED for one in found) <= rejected


@pytest.mark.parametrize("name", MODULES)
def test_a_real_loss_is_found(name: str) -> None:
    """0.15 of accuracy gone at equal confidence, 2000 labels a side."""
    rng = np.random.default_rng(5)
    found = detectors.get(name).compare(sample(rng, 2000), sample(rng, 2000, gap=0.15))
    assert found.outcome is Outcome.DRIFTED
    assert found.p_value is not None
    assert found.p_value <= 0.01


@pytest.mark.parametrize("name", MODULES)
def test_a_trivial_loss_is_healthy_however_large_the_traffic(name: str) -> None:
    """0.005 of accuracy at 200 000 labels is significant and below every tolerance."""
    rng = np.random.default_rng(6)
    one, two = sample(rng, 200_000), sample(rng, 200_000, gap=0.005)
    assert detectors.get(name).compare(one, two).outcome is Outcome.HEALTHY


def _covered(pairs: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in pairs]))


def test_newcombes_interval_covers() -> None:
    """At least 93 % of the time, also near the edge and in small samples."""
    rng = np.random.default_rng(7)
    for m, n, p, q in ((100, 60, 0.9, 0.8), (400, 50, 0.97, 0.97), (30, 30, 0.5, 0.7)):
        ends = [
            difference_of_shares(
                np.array([rng.binomial(m, p), rng.binomial(n, q)], float), np.array([m, n], float)
            )[1:]
            for _ in range(2000)
        ]
        assert _covered(ends, p - q) >= 0.93


@pytest.mark.parametrize("loss", ["brier", "nll"])
def test_welchs_interval_covers(loss: str) -> None:
    """At least 93 % of the time for the rise of the mean Brier score and likelihood."""
    rng = np.random.default_rng(8)

    def losses(n: int, gap: float) -> Any:
        one = sample(rng, n, gap=gap)
        if loss == "brier":
            return brier_scores(one)
        return -np.log(one.probabilities[np.arange(n), one.truth])

    truth = losses(400_000, 0.1).mean() - losses(400_000, 0.0).mean()
    found = [rise_of_mean(losses(300, 0.0), losses(150, 0.1), times=1, seed=0) for _ in range(800)]
    assert _covered([(one.low, one.high) for one in found], truth) >= 0.93


@pytest.mark.parametrize("gaps", [(0.0, 0.0), (0.0, 0.05), (0.05, 0.05), (0.02, 0.12)])
def test_the_interval_of_the_calibration_error_covers(gaps: tuple[float, float]) -> None:
    """At least 93 % of the time, calibrated or not: a constant gap is an ECE of that size."""
    rng = np.random.default_rng(9)
    detector = detectors.get("calibration_error", permutations=1)
    found = [
        detector.compare(sample(rng, 800, gap=gaps[0]), sample(rng, 500, gap=gaps[1])).effect
        for _ in range(250)
    ]
    assert _covered([(one.low, one.high) for one in found], gaps[1] - gaps[0]) >= 0.93
    error = np.mean([one.value for one in found]) - (gaps[1] - gaps[0])
    # Debiasing leaves about half of a calibrated side's bias, 0.03 here.
    assert abs(error) < 0.03


def test_the_interval_of_the_largest_gap_covers() -> None:
    """Only the surest quarter lost accuracy: the largest gap is that of its bins."""
    rng = np.random.default_rng(10)

    def broken(n: int) -> Labelled:
        good, bad = sample(rng, n), sample(rng, n, gap=0.2)
        sure = good.confidence > 0.85
        return concatenate([good.take(~sure), bad.take(bad.confidence > 0.85)])

    detector = detectors.get("reliability_curve", bins=4, binning="equal_width")
    found = [detector.compare(sample(rng, 900), broken(500)).effect for _ in range(200)]
    # The last bin of [0, 1] in quarters begins at 0.75: half of it lost 0.2.
    assert _covered([(one.low, one.high) for one in found], 0.1) >= 0.93


def test_moved_confidence_is_no_loss_of_calibration() -> None:
    """Only the confidences moved, each is as right as before: the conditional test stays quiet."""
    rng = np.random.default_rng(11)
    times = 150
    detector = detectors.get("calibration_error", alpha=0.05, permutations=99)
    found = [detector.compare(sample(rng, 1000), sample(rng, 600, low=0.75)) for _ in range(times)]
    rejected = sum(one.p_value is not None and one.p_value <= 0.05 for one in found)
    assert rejected <= stats.binom.ppf(0.999, times, 0.05)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_the_order_of_records_does_not_matter(seed: int) -> None:
    """Shuffling a side changes no number."""
    rng = np.random.default_rng(seed)
    one, two = many(rng, 80), many(rng, 50)
    mixed = one.take(rng.permutation(80)), two.take(rng.permutation(50))
    for name in MODULES:
        detector = detectors.get(name)
        a, b = detector.compare(one, two), detector.compare(*mixed)
        assert a.effect.value == pytest.approx(b.effect.value, abs=1e-12)
        assert a.p_value == pytest.approx(b.p_value, abs=0.011)
        assert a.effect.low == pytest.approx(b.effect.low, abs=1e-12)


def test_the_curve_holds_what_a_plot_needs() -> None:
    """Bins, accuracies and both bands, all of one length; the bands hold a calibrated model."""
    rng = np.random.default_rng(12)
    found = detectors.get("reliability_curve").compare(sample(rng, 4000), sample(rng, 4000))
    curve = found.details["current"]
    assert {len(part) for part in curve.values()} == {10}
    assert curve["records"].sum() == 4000
    inside = (curve["expected_low"] <= curve["accuracy"]) & (
        curve["accuracy"] <= curve["expected_high"]
    )
    assert inside.sum() >= 8
    assert (curve["low"] <= curve["accuracy"]).all()


@pytest.mark.parametrize("name", MODULES)
def test_nothing_labelled_is_no_data(name: str) -> None:
    """Records whose truth is not known are counted, and never a verdict of health."""
    rng = np.random.default_rng(13)
    one = sample(rng, 20)
    none = Labelled(probabilities=one.probabilities, labels=np.full(20, -1))
    found = detectors.get(name).compare(one, none)
    assert (found.outcome, found.left_out) == (Outcome.NO_DATA, (0, 20))


@pytest.mark.parametrize("name", MODULES)
def test_one_record_decides_nothing(name: str) -> None:
    """A single label can neither clear nor condemn."""
    rng = np.random.default_rng(14)
    assert detectors.get(name).compare(sample(rng, 500), sample(rng, 1)).outcome is (
        Outcome.INCONCLUSIVE
    )


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_docstrings(name: str) -> None:
    """They run and say what they show."""
    module = importlib.import_module(f"detectors.methods.labels.{name}")
    ran = doctest.testmod(module)
    assert ran.attempted > 0
    assert ran.failed == 0
