"""Confidence, entropy and margin equal their formulas; what is no distribution is missing."""

from __future__ import annotations

import numpy as np
import pytest

from vigil.errors import ShapeError
from vigil.signals.predictions import predictions


def test_signals_of_probabilities():
    found = predictions(np.array([[0.7, 0.2, 0.1], [1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]), 3)
    np.testing.assert_allclose(found.confidence, [0.7, 1, 1 / 3], rtol=1e-5)
    np.testing.assert_allclose(found.margin, [0.5, 1, 0], atol=1e-6)
    entropy = -(0.7 * np.log(0.7) + 0.2 * np.log(0.2) + 0.1 * np.log(0.1)) / np.log(3)
    np.testing.assert_allclose(found.entropy, [entropy, 0, 1], atol=1e-5)
    assert found.classes.tolist()[:2] == [0, 0]


def test_logits_become_the_softmax_even_when_large():
    found = predictions(np.array([[1000.0, 999.0], [0.0, np.log(3)]]), 2, "logits")
    np.testing.assert_allclose(found.confidence, [1 / (1 + np.exp(-1)), 0.75], rtol=1e-5)
    assert found.classes.tolist() == [0, 1]


def test_rows_that_are_no_distribution_are_missing_but_keep_their_class():
    """Logits handed in as probabilities show as missing instead of as nonsense."""
    found = predictions(np.array([[3.0, -1.0], [0.9, 0.8], [0.4, 0.6]]), 3)
    assert np.isnan(found.confidence).tolist() == [True, True, False]
    assert np.isnan(found.probabilities).any(axis=1).tolist() == [True, True, False]
    assert found.classes.tolist() == [0, 0, 1]


@pytest.mark.parametrize("kind", ["probabilities", "logits"])
def test_values_that_are_not_finite_are_missing(kind):
    found = predictions(np.array([[np.nan, 1.0], [np.inf, 0.0], [0.5, 0.5]]), 3, kind)
    assert found.classes.tolist() == [-1, -1, 0]
    assert np.isnan(found.entropy).tolist() == [True, True, False]


def test_half_precision_outputs_are_read():
    found = predictions(np.array([[0.25, 0.75]], np.float16), 1)
    assert found.confidence[0] == pytest.approx(0.75)


def test_integers_are_classes_without_probabilities():
    found = predictions(np.array([3, -2, 2**40]), 3)
    assert found.classes.tolist() == [3, -1, -1]
    assert found.probabilities.shape == (3, 0)


@pytest.mark.parametrize(
    "outputs", [np.zeros((2, 1)), np.zeros(2), np.zeros((3, 2)), [[1], [2, 3]]]
)
def test_other_shapes_are_refused(outputs):
    with pytest.raises(ShapeError, match="outputs: expected"):
        predictions(outputs, 2)


def test_an_empty_batch_has_no_predictions():
    assert len(predictions(np.zeros((0, 3)), 0).confidence) == 0
