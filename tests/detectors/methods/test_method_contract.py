"""What every registered detector keeps to, whatever it takes."""

from __future__ import annotations

import copy
import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

import detectors
import detectors.methods
from detectors.detector import Comparison, Detector, Exactness, Takes
from detectors.methods.boxes.boxes import Boxes
from detectors.methods.labels.labelled import Labelled
from detectors.registry import class_of
from monitor.cli.detectors_page import PARAGRAPHS, paragraphs
from vigil.errors import ShapeError
from vigil.types import Outcome

NAMES = detectors.names()
MODULES = sorted(
    one.name
    for one in pkgutil.walk_packages(detectors.methods.__path__, "detectors.methods.")
    if not one.ispkg
)
RESAMPLES = ("resamples", "permutations")
CHANCE = 1e-4
"""How seldom a sound detector may fail a test of its false alarms."""


def scalars(rng: np.random.Generator, n: int, changed: bool) -> Any:
    return rng.gamma(4.0, 0.5 if changed else 0.25, n)


def missing(rng: np.random.Generator, n: int, changed: bool) -> Any:
    values = rng.normal(size=n)
    values[rng.random(n) < (0.3 if changed else 0.05)] = np.nan
    return values


def categories(rng: np.random.Generator, n: int, changed: bool) -> Any:
    shares = [0.1, 0.2, 0.2, 0.5] if changed else [0.5, 0.3, 0.1, 0.1]
    return rng.choice(np.array(["cat", "cow", "dog", "fox"]), n, p=shares)


def embeddings(rng: np.random.Generator, n: int, changed: bool) -> Any:
    return rng.normal(1.0 if changed else 0.0, 1.0, (n, 6))


def labelled(rng: np.random.Generator, n: int, changed: bool) -> Any:
    """The change: other classes, worse answers, and more confidence than they deserve."""
    prior = np.array([0.7, 0.2, 0.1] if changed else [0.2, 0.3, 0.5])
    truth = rng.choice(3, n, p=prior)
    signal, stated = (0.8, 1.4) if changed else (2.5, 2.5)
    seen = signal * np.eye(3)[truth] + rng.normal(size=(n, 3))
    weights = np.exp(stated * seen + np.log([0.2, 0.3, 0.5]))
    return Labelled(probabilities=weights / weights.sum(axis=1, keepdims=True), labels=truth)


def probabilities(rng: np.random.Generator, n: int, changed: bool) -> Any:
    return labelled(rng, n, changed).probabilities


def boxes(rng: np.random.Generator, n: int, changed: bool) -> Any:
    """The change: objects are missed, boxes are off, scores are low, other classes are seen."""
    image = np.repeat(np.arange(n), rng.poisson(3.0, n))
    count = len(image)
    corner = rng.uniform(0.0, 0.6, (count, 2))
    sides = rng.uniform(0.1, 0.2, (count, 2)) * (1.8 if changed else 1.0)
    truth = np.concatenate([corner, corner + sides], axis=1)
    classes = rng.choice(3, count, p=[0.2, 0.2, 0.6] if changed else [0.6, 0.3, 0.1])
    found = rng.random(count) < (0.5 if changed else 0.9)
    moved = truth + np.tile(rng.normal(0.0, 0.06 if changed else 0.005, (count, 2)), 2)
    score = rng.beta(3.0, 3.0, count) if changed else rng.beta(8.0, 2.0, count)
    return Boxes(
        images=n,
        image=image[found],
        boxes=moved[found],
        scores=score[found],
        classes=classes[found],
        true_image=image,
        true_boxes=truth,
        true_classes=classes,
    )


FACTORIES: dict[Takes, Callable[[np.random.Generator, int, bool], Any]] = {
    Takes.SCALAR: scalars,
    Takes.CATEGORY: categories,
    Takes.EMBEDDING: embeddings,
    Takes.PROBABILITIES: probabilities,
    Takes.LABELLED: labelled,
    Takes.BOXES: boxes,
}
SLOW = {"classifier_two_sample": 20}
"""Trials of a test of false alarms, where one takes long."""
LIGHT: dict[str, dict[str, Any]] = {"average_precision": {"iou": (0.5, 0.75)}}
FEW, ENOUGH = {"average_precision": 40, "box_drift": 80}, {Takes.BOXES: 500}
"""Images of a test of false alarms, and of one of a clear change: with fewer, both ask for more."""
OWN_FACTORIES = {"missing_data": missing}
EMPTY: dict[Takes, Any] = {
    Takes.SCALAR: np.zeros(0),
    Takes.CATEGORY: np.zeros(0, np.int64),
    Takes.EMBEDDING: np.zeros((0, 6)),
    Takes.PROBABILITIES: np.zeros((0, 3)),
    Takes.LABELLED: Labelled(probabilities=np.zeros((0, 3)), labels=np.zeros(0, np.int64)),
    Takes.BOXES: Boxes(
        images=0,
        image=[],
        boxes=np.zeros((0, 4)),
        scores=[],
        classes=[],
        true_image=[],
        true_boxes=np.zeros((0, 4)),
        true_classes=[],
    ),
}


def takes(name: str) -> Takes:
    return detectors.get(name).takes


def sample(name: str, seed: int, n: int = 400, *, changed: bool = False) -> Any:
    factory = OWN_FACTORIES.get(name, FACTORIES[takes(name)])
    return factory(np.random.default_rng([seed, n, changed]), n, changed)


def fast(name: str, alpha: float, **more: Any) -> Detector[Any]:
    """The detector with few resamples, where it takes any."""
    known = inspect.signature(class_of(name)).parameters
    few = {one: 99 for one in RESAMPLES if one in known}
    return detectors.get(name, alpha=alpha, **few, **more)


def spoiled(name: str, of: Any) -> Any:
    """The sample with three values, rows or boxes that are not usable."""
    match takes(name):
        case Takes.LABELLED:
            table = of.probabilities.copy()
            table[:3] = np.nan
            return Labelled(probabilities=table, labels=of.labels)
        case Takes.BOXES:
            corners = of.boxes.copy()
            corners[:3] = np.nan
            parts = {one.name: getattr(of, one.name) for one in fields(of)}
            return Boxes(**parts | {"boxes": corners})
        case Takes.CATEGORY:
            labels = of.astype(object)
            labels[:3] = None
            return labels
        case _:
            values = of.copy()
            values[:3] = np.nan
            return values


def same(one: Any, other: Any) -> bool:
    """Equal, arrays and dataclasses included; NaN equals NaN."""
    if is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and all(
            same(getattr(one, part.name), getattr(other, part.name)) for part in fields(one)
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray | float):
        return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind in "fc"))
    return bool(one == other)


def check(found: Comparison, name: str) -> None:
    assert found.detector == name
    assert found.reason
    assert found.p_value is None or 0.0 <= found.p_value <= 1.0
    assert found.effect.low <= found.effect.value <= found.effect.high
    assert np.isfinite(found.effect.value)
    assert found.effect.unit
    assert found.effect.records > 0


@pytest.mark.parametrize("name", NAMES)
def test_it_explains_itself(name: str) -> None:
    """The docstring says what is computed, what it costs, where it comes from and when not to use
    it, and shows an example that runs."""
    assert [word for word in PARAGRAPHS if not paragraphs(name).get(word)] == []
    assert ">>> " in (inspect.getdoc(class_of(name)) or "")


@pytest.mark.parametrize("module", MODULES)
def test_its_examples_run(module: str) -> None:
    """Examples in docstrings print what they say."""
    found = doctest.testmod(
        importlib.import_module(module),
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL,
    )
    assert found.failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_default_and_is_named(name: str) -> None:
    """A detector can be made without arguments; those it takes are given by name."""
    known = inspect.signature(class_of(name)).parameters
    assert isinstance(detectors.get(name), Detector)
    assert {"alpha", "tolerance"} <= set(known)
    assert {one.kind for one in known.values()} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_side_is_no_data(name: str) -> None:
    """Nothing to compare is never a verdict of health."""
    full, empty = sample(name, 1), EMPTY[takes(name)]
    for sides in ((empty, full), (full, empty), (empty, empty)):
        found = detectors.get(name).compare(*sides)
        assert found.outcome is Outcome.NO_DATA
        assert found.effect.records == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_shape_is_an_error(name: str) -> None:
    """On either side, and never a NumPy error."""
    flat = takes(name) in (Takes.SCALAR, Takes.CATEGORY)
    wrong = np.ones((5, 2)) if flat else np.ones(5)
    for sides in ((wrong, sample(name, 1)), (sample(name, 1), wrong)):
        with pytest.raises(ShapeError):
            detectors.get(name).compare(*sides)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_usable_is_left_out_and_counted(name: str) -> None:
    """NaN neither raises nor reaches the result."""
    before, now = sample(name, 1), spoiled(name, sample(name, 2))
    found = fast(name, 0.01).compare(before, now)
    check(found, name)
    assert found.left_out == ((0, 0) if name == "missing_data" else (0, 3))


@pytest.mark.parametrize("name", NAMES)
def test_a_comparison_is_repeatable_and_leaves_its_input_alone(name: str) -> None:
    """The same detector twice, and a second one of the same seed, say the same."""
    before, now = sample(name, 1), sample(name, 2, changed=True)
    kept = copy.deepcopy((before, now))
    first = fast(name, 0.01)
    state = np.random.get_state()[1].copy()
    found = first.compare(before, now)
    check(found, name)
    assert same(found, first.compare(before, now))
    assert same(found, fast(name, 0.01).compare(before, now))
    assert same((before, now), kept)
    assert np.array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_does_not_differ_from_itself(name: str) -> None:
    """However large it is."""
    one = sample(name, 3, 2000)
    found = fast(name, 0.05).compare(one, one)
    check(found, name)
    assert found.outcome is not Outcome.DRIFTED
    assert found.effect.low <= 0.0 <= found.effect.high or found.effect.is_small


@pytest.mark.parametrize("name", detectors.names(Takes.SCALAR))
@pytest.mark.parametrize("value", [0.0, 1.0, 1e300, 1e-300])
def test_a_constant_does_not_differ_from_itself(name: str, value: float) -> None:
    """Nor does it divide by zero; nor, at the ends of the range, overflow."""
    found = fast(name, 0.01).compare(np.full(40, value), np.full(30, value))
    check(found, name)
    assert found.outcome is not Outcome.DRIFTED
    moved = fast(name, 0.01).compare(np.append(np.full(40, value), 0.0), np.full(30, 2.0 * value))
    check(moved, name)


@pytest.mark.parametrize("name", NAMES)
def test_false_alarms_are_as_rare_as_stated(name: str) -> None:
    """Small samples without a difference: rejections at 5 %, and no more verdicts of drift."""
    alpha, rows = 0.05, FEW.get(name, 150)
    made = fast(name, alpha, **LIGHT.get(name, {}))
    resampled = any(one in inspect.signature(class_of(name)).parameters for one in RESAMPLES)
    trials = 60 if resampled or takes(name) in (Takes.EMBEDDING, Takes.BOXES) else 300
    trials = SLOW.get(name, trials)
    found = [
        made.compare(sample(name, 2 * i, rows), sample(name, 2 * i + 1, rows))
        for i in range(10, 10 + trials)
    ]
    for one in found:
        check(one, name)
    rejected = sum(one.p_value is not None and one.p_value <= alpha for one in found)
    drifted = sum(one.outcome is Outcome.DRIFTED for one in found)
    assert (made.exactness is Exactness.NONE) == (found[0].p_value is None)
    assert max(rejected, drifted) <= binom.isf(CHANCE, trials, alpha)


@pytest.mark.parametrize("name", NAMES)
def test_a_clear_change_is_found(name: str) -> None:
    """Two thousand records, or five hundred images, that are plainly different."""
    n = ENOUGH.get(takes(name), 2000)
    before, now = sample(name, 5, n), sample(name, 6, n, changed=True)
    found = detectors.get(name).compare(before, now)
    check(found, name)
    assert found.outcome is Outcome.DRIFTED, found.reason
