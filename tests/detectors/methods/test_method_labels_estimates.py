"""Label shift and accuracy without labels: where they hold, how well, and where they fail."""

from __future__ import annotations

import doctest
import importlib

import numpy as np
import pytest
from scipy import stats

import detectors
from detectors.methods.labels.labelled import Labelled, concatenate
from vigil.types import Outcome

ESTIMATES = (
    "confidence_based_accuracy",
    "average_threshold_confidence",
    "difference_of_confidences",
)


def world(
    rng: np.random.Generator, n: int, *, hard: float, truth: bool = True, cool: float = 1.0
) -> Labelled:
    """Easy records (0.98 right) and hard ones (0.52 right), with some spread; confidence says so,
    sharpened by ``cool`` where the model is overconfident."""
    p = np.where(rng.random(n) < hard, rng.uniform(0.5, 0.54, n), rng.uniform(0.97, 0.99, n))
    right = rng.random(n) < p
    said = p**cool / (p**cool + (1 - p) ** cool)
    labels = np.where(right, 0, 1) if truth else None
    return Labelled(probabilities=np.stack([said, 1 - said], axis=1), labels=labels)


def shifted(rng: np.random.Generator, n: int, priors: np.ndarray, recall: float = 0.75) -> Labelled:
    """A classifier whose errors depend on the true class alone; ``priors`` (K,)."""
    classes = len(priors)
    labels = rng.choice(classes, n, p=priors)
    says = np.where(rng.random(n) < recall, labels, rng.integers(0, classes, n))
    p = np.full((n, classes), 0.3 / (classes - 1))
    p[np.arange(n), says] = 0.7
    return Labelled(probabilities=p, labels=labels)


def test_label_shift_recovers_known_priors() -> None:
    """Five classes, 20 000 records a side: within 0.02 each, and the distance with it."""
    rng = np.random.default_rng(0)
    before, after = np.full(5, 0.2), np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    found = detectors.get("label_shift").compare(
        shifted(rng, 20_000, before), shifted(rng, 20_000, after)
    )
    np.testing.assert_allclose(found.details["current"], after, atol=0.02)
    np.testing.assert_allclose(found.details["weights"], after / before, atol=0.1)
    assert found.effect.value == pytest.approx(0.3, abs=0.03)
    assert found.outcome is Outcome.DRIFTED


def test_label_shift_is_the_matrix_equation() -> None:
    """By hand: recall 3/4 and 1/2, predicted 60 of 100 as the first class."""
    labels = np.array([0] * 4 + [1] * 4)
    says = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    one = Labelled(probabilities=np.where(says[:, None] == [0, 1], 0.9, 0.1), labels=labels)
    now = np.array([0] * 60 + [1] * 40)
    two = Labelled(probabilities=np.where(now[:, None] == [0, 1], 0.9, 0.1))
    found = detectors.get("label_shift").compare(one, two)
    # 3/4 q + 1/2 (1 - q) = 0.6
    np.testing.assert_allclose(found.details["current"], [0.4, 0.6])
    assert found.effect.value == pytest.approx(0.1)


@pytest.mark.parametrize("after", [(0.25, 0.25, 0.25, 0.25), (0.4, 0.3, 0.2, 0.1)])
def test_the_interval_of_the_label_shift_covers(after: tuple[float, ...]) -> None:
    """At least 93 % of the time, with a shift and without."""
    rng = np.random.default_rng(1)
    before = np.full(4, 0.25)
    truth = float(np.abs(np.array(after) - before).sum() / 2)
    detector = detectors.get("label_shift", permutations=1)
    found = [
        detector.compare(shifted(rng, 1000, before), shifted(rng, 800, np.array(after))).effect
        for _ in range(250)
    ]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.93


def test_alarms_of_label_shift_without_change_stay_within_alpha() -> None:
    """The permutation test keeps its level."""
    rng = np.random.default_rng(2)
    priors, times = np.array([0.5, 0.3, 0.15, 0.05]), 300
    detector = detectors.get("label_shift", alpha=0.05, permutations=199, resamples=10)
    found = [
        detector.compare(shifted(rng, 200, priors), shifted(rng, 150, priors)) for _ in range(times)
    ]
    rejected = sum(one.p_value is not None and one.p_value <= 0.05 for one in found)
    assert rejected <= stats.binom.ppf(0.999, times, 0.05)
    assert rejected > 0


def test_an_ill_conditioned_confusion_matrix_is_refused() -> None:
    """A model that guesses says nothing of the classes: no estimate, in so many words."""
    rng = np.random.default_rng(3)
    even = np.array([0.5, 0.5])
    found = detectors.get("label_shift").compare(
        shifted(rng, 3000, even, recall=0.01), shifted(rng, 3000, np.array([0.9, 0.1]), recall=0.01)
    )
    assert found.details["refused"]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "condition number" in found.reason
    assert (found.effect.low, found.effect.high) == (0.0, 1.0)


def test_a_class_that_the_reference_never_predicted_is_refused() -> None:
    """No column of the confusion matrix can explain it."""
    rng = np.random.default_rng(4)
    before = shifted(rng, 2000, np.array([0.5, 0.5, 0.0]), recall=1.0)
    found = detectors.get("label_shift").compare(
        before, shifted(rng, 2000, np.array([0.4, 0.3, 0.3]), recall=1.0)
    )
    assert found.details["refused"]
    assert found.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("confidence_based_accuracy", 0.012),
        ("average_threshold_confidence", 0.06),
        ("difference_of_confidences", 0.012),
    ],
)
def test_the_mix_of_easy_and_hard_changed(name: str, error: float) -> None:
    """Covariate shift that keeps labels: the loss is estimated within the stated error, without a
    current label, and the alarm is right."""
    rng = np.random.default_rng(5)
    for hard in (0.1, 0.2, 0.5, 0.8):
        before, after = world(rng, 20_000, hard=0.2), world(rng, 20_000, hard=hard)
        true = before.correct.mean() - after.correct.mean()
        unlabelled = Labelled(probabilities=after.probabilities)
        found = detectors.get(name).compare(before, unlabelled)
        assert found.effect.value == pytest.approx(true, abs=error + 0.1 * abs(true))
        assert (found.outcome is Outcome.DRIFTED) == (hard > 0.2)


@pytest.mark.parametrize("name", ESTIMATES)
def test_the_interval_of_the_estimate_covers_what_it_estimates(name: str) -> None:
    """At least 93 % of the time for its own limit: the same estimate from very many records."""
    rng = np.random.default_rng(6)
    detector = detectors.get(name, **({} if name.startswith("diff") else {"resamples": 60}))
    limit = detector.compare(world(rng, 300_000, hard=0.2), world(rng, 300_000, hard=0.4))
    found = [
        detector.compare(world(rng, 1500, hard=0.2), world(rng, 800, hard=0.4, truth=False)).effect
        for _ in range(250)
    ]
    inside = np.mean([one.low <= limit.effect.value <= one.high for one in found])
    assert inside >= 0.93


@pytest.mark.parametrize("name", ESTIMATES)
def test_alarms_of_estimates_without_change_stay_near_alpha(name: str) -> None:
    """Approximate: at most the 99.9 % binomial bound of 0.06 at alpha = 0.05."""
    rng = np.random.default_rng(7)
    times = 250
    parameters = {} if name.startswith("diff") else {"resamples": 50}
    detector = detectors.get(name, alpha=0.05, **parameters)
    found = [
        detector.compare(world(rng, 800, hard=0.2), world(rng, 500, hard=0.2, truth=False))
        for _ in range(times)
    ]
    rejected = sum(one.p_value is not None and one.p_value <= 0.05 for one in found)
    assert rejected <= stats.binom.ppf(0.999, times, 0.06)


def test_calibration_first_helps_an_overconfident_model() -> None:
    """Confidences twice as sharp as they should be: CBPE stays right, DoC does not."""
    rng = np.random.default_rng(8)
    before = world(rng, 20_000, hard=0.2, cool=8.0)
    after = world(rng, 20_000, hard=0.6, cool=8.0)
    true = before.correct.mean() - after.correct.mean()
    got = {name: detectors.get(name).compare(before, after).effect.value for name in ESTIMATES}
    assert got["confidence_based_accuracy"] == pytest.approx(true, abs=0.015)
    assert abs(got["difference_of_confidences"] - true) > 0.02
    assert detectors.get("confidence_based_accuracy").compare(before, after).details[
        "holdout_error"
    ] == pytest.approx(0.0, abs=0.015)


@pytest.mark.parametrize("name", ESTIMATES)
def test_concept_drift_is_not_seen(name: str) -> None:
    """The limit that the docstrings state: a third of the labels flipped, the model as sure as
    ever, and none of the three sees it, while the labels do."""
    rng = np.random.default_rng(9)
    before, after = world(rng, 5000, hard=0.2), world(rng, 5000, hard=0.2)
    flipped = np.where(rng.random(5000) < 1 / 3, 1 - after.truth, after.truth)
    broken = Labelled(probabilities=after.probabilities, labels=flipped)
    assert before.correct.mean() - broken.correct.mean() > 0.2
    assert detectors.get(name).compare(before, broken).outcome is not Outcome.DRIFTED
    assert detectors.get("accuracy_change").compare(before, broken).outcome is Outcome.DRIFTED


@pytest.mark.parametrize("name", [*ESTIMATES, "label_shift"])
def test_current_labels_are_not_used(name: str) -> None:
    """With them or without: the same comparison; order does not matter either."""
    rng = np.random.default_rng(10)
    before, after = world(rng, 600, hard=0.3), world(rng, 400, hard=0.5)
    detector = detectors.get(name)
    with_labels = detector.compare(before, after)
    without = detector.compare(before, Labelled(probabilities=after.probabilities))
    assert with_labels.effect == without.effect
    assert with_labels.p_value == without.p_value
    mixed = detector.compare(before.take(rng.permutation(600)), after.take(rng.permutation(400)))
    assert mixed.effect.value == pytest.approx(with_labels.effect.value, abs=1e-12)
    parts = concatenate([after.take(np.arange(150)), after.take(np.arange(150, 400))])
    assert detector.compare(before, parts).effect == with_labels.effect


@pytest.mark.parametrize("name", [*ESTIMATES, "label_shift"])
def test_few_records_decide_nothing(name: str) -> None:
    """One current record, or a reference that was never wrong and is tiny."""
    rng = np.random.default_rng(11)
    one = detectors.get(name).compare(world(rng, 500, hard=0.2), world(rng, 1, hard=0.2))
    assert one.outcome is Outcome.INCONCLUSIVE
    sure = Labelled(probabilities=[[0.9, 0.1], [0.1, 0.9]] * 3, labels=[0, 1] * 3)
    assert detectors.get(name).compare(sure, sure).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("name", [*ESTIMATES, "label_shift"])
def test_examples_of_docstrings(name: str) -> None:
    """They run and say what they show."""
    ran = doctest.testmod(importlib.import_module(f"detectors.methods.labels.{name}"))
    assert ran.attempted > 0
    assert ran.failed == 0
