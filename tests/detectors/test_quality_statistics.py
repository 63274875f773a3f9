"""Quality from labelled records: unbiased where the sampling is known, held to known answers."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from detectors.methods.boxes.boxes import Boxes
from detectors.quality import agreement, estimate
from detectors.quality.agreement import cohen_kappa, krippendorff_alpha
from detectors.quality.boxes import box_quality
from detectors.quality.classification import class_quality
from detectors.quality.estimate import mean_share
from detectors.quality.label_noise import noise_candidates
from vigil.errors import ShapeError

# Krippendorff, Content Analysis, 2004, section 11.3.4: four observers, twelve units; 0 is missing.
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3),
    (0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0),
)


@pytest.mark.parametrize("module", [agreement, estimate])
def test_the_examples_of_the_statistics_run(module: object) -> None:
    """What a docstring shows is what comes out."""
    ran = doctest.testmod(module)  # type: ignore[arg-type]
    assert (ran.failed, ran.attempted > 0) == (0, True)


def test_weights_undo_a_sample_that_prefers_the_difficult() -> None:
    """The plain share of such a sample is far off; the weighted interval covers the truth."""
    rng = np.random.default_rng(11)
    covered, naive, found = 0, [], []
    for _ in range(200):
        hard = rng.random(4000) < 0.2
        right = rng.random(4000) < np.where(hard, 0.5, 0.95)
        pi = np.where(hard, 0.3, 0.04)
        taken = rng.random(4000) < pi
        one = mean_share(right[taken], pi[taken])
        covered += one.low <= right.mean() <= one.high
        naive.append(right[taken].mean())
        found.append(one.value - right.mean())
    assert np.mean(naive) < 0.70
    assert abs(np.mean(found)) < 0.01
    assert covered >= 180  # 95 % of 200 is 190; below 180 has a chance of 1e-7


def test_an_interval_stays_honest_where_every_record_agrees() -> None:
    """Twenty hits in twenty are no proof of perfection, and unequal weights are worth less."""
    even = mean_share(np.ones(20), np.ones(20))
    uneven = mean_share(np.ones(20), np.where(np.arange(20) < 2, 0.01, 1.0))
    assert even.value == uneven.value == 1.0
    assert even.low == pytest.approx(0.839, abs=0.001)
    assert uneven.low < 0.5
    assert uneven.effective < 3.0


@pytest.mark.parametrize("pi", [[0.0, 1.0], [1.2, 1.0], [float("nan"), 1.0], [[1.0], [1.0]]])
def test_what_is_no_inclusion_probability_is_refused(pi: object) -> None:
    with pytest.raises(ShapeError, match="inclusion"):
        mean_share([1, 0], pi)  # type: ignore[arg-type]


def test_f1_is_that_of_scikit_learn_with_the_same_weights() -> None:
    rng = np.random.default_rng(3)
    label = rng.integers(0, 4, 300)
    said = np.where(rng.random(300) < 0.7, label, rng.integers(0, 4, 300))
    pi = rng.uniform(0.1, 1.0, 300)
    found = class_quality(prediction=said, label=label, confidence=np.full(300, 0.7), inclusion=pi)
    by_class = f1_score(label, said, average=None, sample_weight=1 / pi)
    assert [found.f1[k].value for k in range(4)] == pytest.approx(by_class)
    assert found.macro_f1.value == pytest.approx(by_class.mean())
    assert found.macro_f1.low < found.macro_f1.value < found.macro_f1.high


def test_the_interval_of_the_macro_f1_covers_the_population() -> None:
    rng = np.random.default_rng(5)
    label = rng.integers(0, 3, 20_000)
    said = np.where(rng.random(20_000) < np.array([0.95, 0.8, 0.6])[label], label, (label + 1) % 3)
    truth = f1_score(label, said, average="macro")
    covered = 0
    for _ in range(100):
        rows = rng.choice(20_000, 250, replace=False)
        found = class_quality(
            prediction=said[rows],
            label=label[rows],
            confidence=np.ones(250),
            inclusion=np.full(250, 250 / 20_000),
        )
        covered += found.macro_f1.low <= truth <= found.macro_f1.high
    assert covered >= 86


def test_calibration_leaves_out_what_has_no_confidence() -> None:
    """A model that says 90 % and is right in 60 % is 30 points off; an unknown confidence is no
    evidence."""
    rng = np.random.default_rng(8)
    right = rng.random(2000) < 0.6
    quality = class_quality(
        prediction=np.zeros(2000, int),
        label=np.where(right, 0, 1),
        confidence=np.where(np.arange(2000) < 1000, 0.9, 0.0),
        inclusion=np.ones(2000),
    )
    assert quality.calibration is not None
    assert quality.calibration.records == 1000
    assert quality.calibration.low < 0.9 - right[:1000].mean() < quality.calibration.high
    nothing = class_quality(prediction=[0], label=[0], confidence=[0.0], inclusion=[1.0])
    assert nothing.calibration is None


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    one = rng.integers(0, 3, 200)
    other = np.where(rng.random(200) < 0.6, one, rng.integers(0, 3, 200))
    assert cohen_kappa(one, other).value == pytest.approx(cohen_kappa_score(one, other))


def test_alpha_is_that_of_krippendorffs_own_example() -> None:
    images = [[labels[k] for labels in OBSERVERS if labels[k]] for k in range(12)]
    found = krippendorff_alpha(images, rng=np.random.default_rng(0))
    assert found is not None
    assert found.value == pytest.approx(0.743, abs=0.001)
    assert found.images == 11  # the last unit has one label
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.743 < found.high <= 1.0


def test_agreement_that_chance_would_make_too_is_not_called_agreement() -> None:
    """One class only: nothing can be said. No image with two labels: nothing at all."""
    alike = krippendorff_alpha([[1, 1], [1, 1]], rng=np.random.default_rng(0))
    assert alike is not None
    assert (alike.value, alike.agreed) == (None, 1.0)
    assert cohen_kappa([1, 1], [1, 1]).value is None
    assert krippendorff_alpha([[1], [], [2]]) is None


def test_confident_learning_finds_the_flipped_labels() -> None:
    """Of labels flipped by hand most are found, and the first named are nearly all flipped."""
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 3, 600)
    p = np.full((600, 3), 0.05)
    p[np.arange(600), truth] = 0.9
    p += rng.uniform(0, 0.05, p.shape)
    p /= p.sum(axis=1, keepdims=True)
    flipped = rng.choice(600, 30, replace=False)
    given = truth.copy()
    given[flipped] = (truth[flipped] + 1) % 3
    found = noise_candidates(p, given)
    rows = {one.row for one in found}
    assert len(rows & set(flipped.tolist())) >= 15
    assert {one.row for one in found[:10]} <= set(flipped.tolist())
    assert all(one.suggested == truth[one.row] for one in found[:10])
    assert [one.margin for one in found] == sorted(one.margin for one in found)


def test_a_class_with_a_handful_of_labels_accuses_nobody() -> None:
    p = np.array([[0.99, 0.01], [0.01, 0.99], [0.99, 0.01]])
    assert noise_candidates(p, [1, 0, -1]) == []


def boxes(images: int, missed: np.ndarray) -> Boxes:
    at = np.arange(images)
    true = np.tile([0.1, 0.1, 0.5, 0.5], (images, 1))
    kept = ~missed
    return Boxes(
        images=images,
        image=at[kept],
        boxes=true[kept],
        scores=np.full(kept.sum(), 0.9),
        classes=np.zeros(kept.sum(), int),
        true_image=at,
        true_boxes=true,
        true_classes=np.zeros(images, int),
    )


def test_boxes_are_weighted_by_how_their_images_were_drawn() -> None:
    """Half of the sample is missed, but it stands for a tenth of the traffic only."""
    missed = np.arange(200) < 100
    pi = np.where(missed, 0.9, 0.1)
    even = box_quality(boxes(200, missed), rng=np.random.default_rng(0))
    found = box_quality(boxes(200, missed), pi, rng=np.random.default_rng(0))
    assert even is not None
    assert found is not None
    assert even.recall.value == pytest.approx(0.5)
    assert found.recall.value == pytest.approx(0.9)
    assert found.precision_50.value == pytest.approx(0.9, abs=0.011)  # read at 101 recalls
    assert found.mean_precision.value == pytest.approx(found.precision_50.value)
    assert found.recall.low < 0.9 < found.recall.high
    assert found.recall.effective < 200


def test_boxes_without_truth_are_refused_and_without_objects_not_judged() -> None:
    with pytest.raises(ShapeError):
        box_quality(
            Boxes(images=1, image=[0], boxes=[[0, 0, 1, 1]], scores=[0.5], classes=[0]),
            rng=np.random.default_rng(0),
        )
    nothing = Boxes(
        images=2,
        image=[],
        boxes=[],
        scores=[],
        classes=[],
        true_image=[],
        true_boxes=[],
        true_classes=[],
    )
    assert box_quality(nothing, rng=np.random.default_rng(0)) is None
