"""``Labelled``: what it accepts, refuses and gives."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from detectors.methods.labels import labelled
from detectors.methods.labels.labelled import Labelled, concatenate, same_classes
from vigil.errors import ShapeError


@pytest.mark.parametrize(
    ("probabilities", "labels", "says"),
    [
        ([0.2, 0.8], None, "K >= 2"),
        ([[1.0]], None, "K >= 2"),
        ([[0.2, 0.2]], None, "sum to 1"),
        ([[3.0, -2.0]], None, r"\[0, 1\]"),
        ([["a", "b"]], None, "numbers"),
        ([[0.2, 0.8]], [0, 1], r"\(1,\)"),
        ([[0.2, 0.8]], [2], "0..1"),
        ([[0.2, 0.8]], [-2], "0..1"),
        ([[0.2, 0.8]], [0.0], "integers"),
    ],
)
def test_what_can_not_be_meant_is_refused(probabilities, labels, says) -> None:
    """An error names the part, what was expected and what came."""
    with pytest.raises(ShapeError, match=says):
        Labelled(probabilities=probabilities, labels=labels)


def test_records_that_are_not_usable_are_left_out_and_counted() -> None:
    """NaN rows always, unknown labels only where labels are needed."""
    sample = Labelled(
        probabilities=[[0.2, 0.8], [np.nan, 0.5], [0.6, 0.4]], labels=np.array([1, 0, -1])
    )
    kept, left_out = sample.usable()
    assert (len(kept), left_out) == (1, 2)
    kept, left_out = sample.usable(with_labels=False)
    assert (len(kept), left_out) == (2, 1)


def test_without_labels_the_truth_is_an_error() -> None:
    """A detector that needs labels says so."""
    with pytest.raises(ShapeError, match="labels"):
        Labelled(probabilities=[[0.5, 0.5]]).correct  # noqa: B018


def test_samples_of_different_classes_are_not_compared() -> None:
    """K must agree."""
    two, three = Labelled(probabilities=[[0.5, 0.5]]), Labelled(probabilities=[[0.5, 0.25, 0.25]])
    with pytest.raises(ShapeError, match="2 classes"):
        same_classes(two, three)
    with pytest.raises(ShapeError, match="same number"):
        concatenate([two, three])


def test_parts_put_together_are_the_whole() -> None:
    """Concatenating what was taken apart gives the same records."""
    rng = np.random.default_rng(0)
    whole = Labelled(probabilities=rng.dirichlet(np.ones(3), 10), labels=rng.integers(0, 3, 10))
    both = concatenate([whole.take(np.arange(4)), whole.take(np.arange(4, 10))])
    np.testing.assert_array_equal(both.probabilities, whole.probabilities)
    np.testing.assert_array_equal(both.truth, whole.truth)


def test_examples() -> None:
    """The docstrings run."""
    assert doctest.testmod(labelled).failed == 0
