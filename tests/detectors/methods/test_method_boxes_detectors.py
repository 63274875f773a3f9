"""Box drift, average precision and recall: oracles, false alarms, coverage."""

from __future__ import annotations

import doctest
import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import average_precision_score

import detectors
from detectors.methods.boxes.boxes import Boxes, concatenate, from_images
from detectors.methods.boxes.matching import match, pairwise_iou
from detectors.methods.boxes.precision import average_precisions, mean_precision
from vigil.errors import ShapeError
from vigil.types import Outcome

FAST: dict[str, dict[str, Any]] = {
    "box_drift": {"permutations": 299, "resamples": 150},
    "average_precision": {"permutations": 99, "resamples": 60, "iou": (0.5, 0.75)},
    "recall_at_iou": {"permutations": 199},
}
NAMES = tuple(FAST)


def street(
    rng: np.random.Generator,
    images: int,
    *,
    miss: float = 0.2,
    noise: float = 0.01,
    scale: float = 1.0,
    clump: float = 0.0,
) -> Boxes:
    """Objects in images, most of them found; ``clump``: images that share a luck of their own, so
    that boxes of one image are dependent."""
    true_image = np.repeat(np.arange(images), rng.poisson(4, images))
    t = len(true_image)
    corner = rng.uniform(0.0, 0.6, (t, 2))
    true = np.hstack([corner, corner + rng.uniform(0.1, 0.3, (t, 2)) * scale])
    kinds = rng.integers(0, 3, t)
    lucky = np.where(rng.random(images) < 0.5, clump, -clump)[true_image]
    found = rng.random(t) > miss + lucky
    seen = true[found] + np.tile(rng.normal(0, noise, (int(found.sum()), 2)), 2)
    ghosts = rng.poisson(0.5, images)
    extra = rng.uniform(0.0, 0.6, (ghosts.sum(), 2))
    return Boxes(
        images=images,
        image=np.r_[true_image[found], np.repeat(np.arange(images), ghosts)],
        boxes=np.r_[seen, np.hstack([extra, extra + 0.2])],
        scores=np.r_[rng.beta(8, 2, found.sum()), rng.beta(3, 5, ghosts.sum())],
        classes=np.r_[kinds[found], rng.integers(0, 3, ghosts.sum())],
        true_image=true_image,
        true_boxes=true,
        true_classes=kinds,
    )


def greedy(sample: Boxes, threshold: float) -> dict[tuple[int, int], list[tuple[float, bool]]]:
    """COCO's loops: per image and class, (score, hit) by falling score."""
    true_image, true_boxes, true_kind = sample.truth
    out: dict[tuple[int, int], list[tuple[float, bool]]] = {}
    for image in range(sample.images):
        for kind in set(sample.classes.tolist()):
            rows = np.flatnonzero((sample.image == image) & (sample.classes == kind))
            rows = rows[np.argsort(-sample.scores[rows], kind="stable")][:100]
            true = np.flatnonzero((true_image == image) & (true_kind == kind))
            free = dict.fromkeys(true.tolist(), True)
            for row in rows:
                best, chosen = threshold, None
                for g in true:
                    iou = pairwise_iou(sample.boxes[[row]], true_boxes[[g]])[0]
                    if free[g] and iou >= best:
                        best, chosen = iou, g
                if chosen is not None:
                    free[chosen] = False
                out.setdefault((image, kind), []).append(
                    (float(sample.scores[row]), chosen is not None)
                )
    return out


def by_loops(sample: Boxes, threshold: float, weights: np.ndarray | None = None) -> float:
    """Mean average precision by the definition, image by image."""
    found = greedy(sample, threshold)
    weights = np.ones(sample.images, dtype=int) if weights is None else weights
    values = []
    for kind in sorted(set(sample.truth[2].tolist())):
        positives = sum(weights[i] for i in sample.truth[0][sample.truth[2] == kind])
        if positives == 0:
            continue
        rows = [
            one
            for (image, k), several in found.items()
            if k == kind
            for one in several * int(weights[image])
        ]
        rows.sort(key=lambda one: -one[0])
        hits = np.cumsum([hit for _, hit in rows]) if rows else np.zeros(0)
        precision = hits / np.arange(1, len(rows) + 1)
        read = []
        for point in range(101):
            reached = [
                p for p, h in zip(precision, hits, strict=True) if 100 * h >= point * positives
            ]
            read.append(max(reached, default=0.0))
        values.append(np.mean(read))
    return float(np.mean(values))


def one_sample(sample: Boxes, weights: np.ndarray | None = None, iou: float = 0.5) -> float:
    matches = match(sample, np.array([iou]))
    weights = np.ones(sample.images, dtype=np.int64) if weights is None else weights
    return float(mean_precision(average_precisions(matches, weights[None])[0])[0, 0])


def test_intersection_over_union_by_hand() -> None:
    """Half covered, apart, touching, equal, and empty."""
    one = np.array([[0, 0, 2, 2]] * 4 + [[1, 1, 1, 1]], dtype=float)
    other = np.array([[1, 0, 3, 2], [5, 5, 6, 6], [2, 0, 4, 2], [0, 0, 2, 2], [1, 1, 1, 1]], float)
    np.testing.assert_allclose(pairwise_iou(one, other), [1 / 3, 0, 0, 1, 0])


def test_average_precision_by_hand() -> None:
    """Three true boxes; hits at ranks 1 and 3 of four: precision 1 to recall 1/3, 2/3 to 2/3."""
    boxes = [[0, 0, 1, 1], [9, 9, 10, 10], [2, 2, 3, 3], [7, 7, 8, 8]]
    one = from_images(
        [
            {
                "boxes": boxes,
                "scores": [0.9, 0.8, 0.7, 0.6],
                "classes": [0] * 4,
                "true_boxes": [boxes[0], boxes[2], [4, 4, 5, 5]],
                "true_classes": [0] * 3,
            }
        ]
    )
    # Recalls 0 .. 0.33 read 1, 0.34 .. 0.66 read 2/3, the rest 0.
    assert one_sample(one) == pytest.approx((34 * 1.0 + 33 * 2 / 3) / 101)


def test_a_true_box_is_found_once() -> None:
    """The second detection of the same box is false, whatever its overlap; the better score
    wins."""
    box = [0.0, 0.0, 1.0, 1.0]
    one = from_images(
        [
            {
                "boxes": [[0, 0, 1, 0.9], box],
                "scores": [0.9, 0.8],
                "classes": [0, 0],
                "true_boxes": [box],
                "true_classes": [0],
            }
        ]
    )
    matches = match(one, np.array([0.5, 0.95]))
    assert matches.hit.tolist() == [[True, False], [False, True]]


@given(seed=st.integers(0, 2**31))
@settings(max_examples=12, deadline=None)
def test_matching_and_precision_are_those_of_the_plain_loops(seed: int) -> None:
    """Crowded images, shared scores, images drawn more than once: as by the definition."""
    rng = np.random.default_rng(seed)
    sample = street(rng, 8, noise=0.05)
    matches = match(sample, np.array([0.5, 0.75]))
    for t, threshold in enumerate((0.5, 0.75)):
        want = greedy(sample, threshold)
        got: dict[tuple[int, int], list[tuple[float, bool]]] = {}
        for i, k, s, h in zip(
            matches.image, matches.kind, matches.score, matches.hit[t], strict=True
        ):
            got.setdefault((int(i), int(k)), []).append((float(s), bool(h)))
        assert got == want
        weights = rng.integers(0, 3, 8)
        if len(sample.truth[0]) and weights[sample.truth[0]].sum():
            assert one_sample(sample, weights, threshold) == pytest.approx(
                by_loops(sample, threshold, weights)
            )


def test_average_precision_is_near_scikit_learns() -> None:
    """Where every true box is detected: the 101-point reading against its step sum, on one class.
    The envelope can only add."""
    rng = np.random.default_rng(0)
    n = 400
    true = rng.random(n) < 0.5
    scores = np.clip(rng.normal(0.4 + 0.2 * true, 0.15), 0, 1)
    at = np.arange(n)
    box = np.tile([0.0, 0.0, 1.0, 1.0], (n, 1))
    sample = Boxes(
        images=n, image=at, boxes=box, scores=scores, classes=np.zeros(n, int),
        true_image=at[true], true_boxes=box[true], true_classes=np.zeros(true.sum(), int),
    )  # fmt: skip
    want = average_precision_score(true, scores)
    assert want - 0.01 <= one_sample(sample) <= want + 0.03


def test_resampled_images_are_those_images_again() -> None:
    """A weight of k is the image k times: nothing is matched again."""
    rng = np.random.default_rng(1)
    sample = street(rng, 30)
    picks = rng.integers(0, 30, 30)
    weights = np.bincount(picks, minlength=30)
    assert one_sample(sample, weights) == pytest.approx(one_sample(sample.take(picks)))


def test_recall_by_hand() -> None:
    """Two of three found, one of them below the score; per class as well."""
    boxes = [[0, 0, 1, 1], [2, 2, 3, 3], [4, 4, 5, 5]]
    one = from_images(
        [
            {
                "boxes": boxes[:2],
                "scores": [0.9, 0.4],
                "classes": [0, 0],
                "true_boxes": boxes,
                "true_classes": [0, 0, 1],
            }
        ]
    )
    all_found = from_images(
        [
            {
                "boxes": boxes,
                "scores": [0.9] * 3,
                "classes": [0, 0, 1],
                "true_boxes": boxes,
                "true_classes": [0, 0, 1],
            }
        ]
    )
    found = detectors.get("recall_at_iou").compare(all_found, one)
    assert found.effect.value == pytest.approx(2 / 3)
    np.testing.assert_allclose(found.details["by_class"], [0.5, 1.0])
    low = detectors.get("recall_at_iou", score=0.3).compare(all_found, one)
    assert low.effect.value == pytest.approx(1 / 3)


def test_distances_of_boxes_are_those_of_scipy() -> None:
    """KS of scores and of counts; with few distinct values the 64 quantiles lose nothing."""
    rng = np.random.default_rng(2)

    def rounded(images: int, scale: float) -> Boxes:
        one = street(rng, images, scale=scale)
        return Boxes(
            images=images,
            image=one.image,
            boxes=one.boxes,
            scores=np.round(one.scores * 20) / 20,
            classes=one.classes,
        )

    a, b = rounded(300, 1.0), rounded(200, 1.3)
    found = detectors.get("box_drift", **FAST["box_drift"]).compare(a, b)
    got = found.details["distance"]
    assert got["score"] == pytest.approx(stats.ks_2samp(a.scores, b.scores).statistic, abs=1e-6)
    assert got["count"] == pytest.approx(stats.ks_2samp(a.counts, b.counts).statistic, abs=1e-6)
    shares = [np.bincount(s.classes, minlength=3) / len(s.classes) for s in (a, b)]
    assert got["class"] == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2, abs=1e-6)
    area = [np.prod(s.boxes[:, 2:] - s.boxes[:, :2], axis=1) for s in (a, b)]
    assert got["size"] == pytest.approx(stats.ks_2samp(*area).statistic, abs=0.02)
    assert found.details["largest"] == "size"


@pytest.mark.parametrize("name", NAMES)
def test_alarms_without_change_stay_within_alpha(name: str) -> None:
    """Also where boxes of one image share their luck: images are dealt, not boxes."""
    rng = np.random.default_rng(3)
    times, alpha = 120, 0.05
    detector = detectors.get(name, alpha=alpha, **FAST[name])
    found = [
        detector.compare(street(rng, 60, clump=0.2), street(rng, 50, clump=0.2))
        for _ in range(times)
    ]
    rejected = sum(one.p_value is not None and one.p_value <= alpha for one in found)
    assert rejected <= stats.binom.ppf(0.999, times, alpha)


@pytest.mark.parametrize("name", ["average_precision", "recall_at_iou"])
def test_intervals_of_losses_cover(name: str) -> None:
    """At least 93 % of the time, with dependent boxes and a true loss."""
    rng = np.random.default_rng(4)
    iou = 0.5 if name == "recall_at_iou" else (0.5,)
    detector = detectors.get(name, **(FAST[name] | {"permutations": 1, "iou": iou}))
    limit = detector.compare(
        street(rng, 20_000, clump=0.2), street(rng, 20_000, miss=0.4, clump=0.2)
    )
    found = [
        detector.compare(street(rng, 150, clump=0.2), street(rng, 120, miss=0.4, clump=0.2)).effect
        for _ in range(250)
    ]
    inside = np.mean([one.low <= limit.effect.value <= one.high for one in found])
    assert inside >= 0.93


@pytest.mark.parametrize("scale", [1.0, 1.2])
def test_the_interval_of_the_largest_distance_covers(scale: float) -> None:
    """At least 93 % of the time, with a change and without."""
    rng = np.random.default_rng(5)
    detector = detectors.get("box_drift", permutations=1, alpha=0.99, resamples=200)
    limit = detector.compare(street(rng, 15_000), street(rng, 15_000, scale=scale)).effect.value
    truth = limit if scale > 1 else 0.0
    found = [
        detector.compare(street(rng, 150), street(rng, 120, scale=scale)).effect for _ in range(120)
    ]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.93


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("box_drift", {"scale": 1.6}),
        ("box_drift", {"miss": 0.7}),
        ("average_precision", {"noise": 0.05}),
        ("recall_at_iou", {"miss": 0.4}),
    ],
)
def test_a_real_change_is_found(name: str, change: dict[str, float]) -> None:
    """At 400 images a side."""
    rng = np.random.default_rng(6)
    detector = detectors.get(name, **(FAST[name] | {"permutations": 1500}))
    if name == "average_precision":
        detector = detectors.get(name, **FAST[name], alpha=0.02)
    found = detector.compare(street(rng, 400), street(rng, 400, **change))
    assert found.outcome is Outcome.DRIFTED


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_images_and_of_boxes_does_not_matter(name: str) -> None:
    """Permuting images changes no estimate; neither do parts put together."""
    rng = np.random.default_rng(7)
    one, two = street(rng, 40), street(rng, 30, miss=0.4)
    detector = detectors.get(name, **FAST[name])
    a = detector.compare(one, two)
    b = detector.compare(one.take(rng.permutation(40)), two.take(rng.permutation(30)))
    assert a.effect.value == pytest.approx(b.effect.value, abs=1e-6)
    parts = concatenate([two.take(np.arange(10)), two.take(np.arange(10, 30))])
    assert detector.compare(one, parts).effect == a.effect
    assert detector.compare(one, two).p_value == a.p_value


@pytest.mark.parametrize("name", NAMES)
def test_one_image_decides_nothing(name: str) -> None:
    """Neither healthy nor drifted, also where all is found."""
    rng = np.random.default_rng(8)
    detector = detectors.get(name, **FAST[name])
    perfect = street(rng, 200, miss=0.0)
    assert detector.compare(perfect, perfect.take([0])).outcome is Outcome.INCONCLUSIVE


def test_no_boxes_at_all_are_a_change_of_the_count() -> None:
    """A blind camera: only the count can be compared, and it says so."""
    rng = np.random.default_rng(9)
    blind = Boxes(images=200, image=[], boxes=[], scores=[], classes=[])
    found = detectors.get("box_drift").compare(street(rng, 200), blind)
    assert list(found.details["distance"]) == ["count"]
    assert found.outcome is Outcome.DRIFTED


def test_without_truth_losses_are_not_measured() -> None:
    """An error, not a verdict; no true box on a side is no data."""
    rng = np.random.default_rng(10)
    one = street(rng, 20)
    bare = Boxes(images=1, image=[0], boxes=[[0, 0, 1, 1]], scores=[0.5], classes=[0])
    nothing = Boxes(
        images=1, image=[], boxes=[], scores=[], classes=[], true_image=[], true_boxes=[],
        true_classes=[],
    )  # fmt: skip
    for name in ("average_precision", "recall_at_iou"):
        with pytest.raises(ShapeError, match="true_boxes"):
            detectors.get(name).compare(one, bare)
        assert detectors.get(name).compare(one, nothing).outcome is Outcome.NO_DATA


@pytest.mark.parametrize("name", NAMES)
def test_examples_of_docstrings(name: str) -> None:
    """They run and say what they show."""
    ran = doctest.testmod(importlib.import_module(f"detectors.methods.boxes.{name}"))
    assert ran.attempted > 0
    assert ran.failed == 0
