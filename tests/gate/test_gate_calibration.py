"""The bounds of a rise of the calibration error hold, for good and for bad models."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.methods.labels.labelled import Floats, Labelled
from monitor.gate.calibration import rise_of_error

SETS, RECORDS = 200, 2000


def version(confidence: Floats, right: np.ndarray) -> Labelled:
    probabilities = np.stack([confidence, 1.0 - confidence], axis=1)
    return Labelled(probabilities=probabilities, labels=np.where(right, 0, 1))


@pytest.mark.parametrize(
    ("before", "now", "same"),
    [(0.0, 0.0, 0.0), (0.0, 0.05, 1.0), (0.0, 0.05, 0.0), (0.1, 0.1, 0.5), (0.1, 0.0, 0.5)],
)
def test_each_bound_errs_as_often_as_asked(before: float, now: float, same: float) -> None:
    """``before`` and ``now``: by how much each version is too sure; ``same``: the share of records
    on which both are right or wrong together. 5 % of 200 sets are 10; more than 19 has probability
    0.003."""
    rng = np.random.default_rng(3)
    wrong = [0, 0]
    for _ in range(SETS):
        truth = rng.uniform(0.55, 0.85, RECORDS)
        luck = rng.random((2, RECORDS))
        luck[1] = np.where(rng.random(RECORDS) < same, luck[0], luck[1])
        control = version(truth + before, luck[0] < truth)
        candidate = version(truth + now, luck[1] < truth)
        found = rise_of_error(control, candidate, error=0.05)
        wrong[0] += found.low > now - before
        wrong[1] += found.high < now - before
        assert found.low <= found.value <= found.high
    assert max(wrong) <= 19, wrong


def test_a_version_that_is_the_same_is_told_to_be_so() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.uniform(0.55, 0.95, 300)
    one = version(confidence, rng.random(300) < confidence)
    found = rise_of_error(one, one, error=0.05)
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


def test_much_overconfidence_is_found() -> None:
    """Twelve points, in 2000 records: surely more than two."""
    rng = np.random.default_rng(5)
    truth = rng.uniform(0.55, 0.85, RECORDS)
    right = rng.random(RECORDS) < truth
    found = rise_of_error(version(truth, right), version(truth + 0.12, right), error=0.05)
    assert found.low > 0.04
    assert found.high < 0.16
