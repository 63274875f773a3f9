"""The exact permutation test on whole records."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.exact_mmd import permutation_test
from vigil.errors import ShapeError


def test_the_statistic_is_the_textbook_one():
    """Equal to the double sum, written out."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((7, 3)), rng.standard_normal((5, 3)) + 1.0

    def k(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * 1.5**2))

    xx = sum(k(x[i], x[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    yy = sum(k(y[i], y[j]) for i in range(5) for j in range(5) if i != j) / (5 * 4)
    xy = sum(k(a, b) for a in x for b in y) / 35
    seen, _ = permutation_test(x, y, 10, rng, bandwidth=1.5)
    assert seen == pytest.approx(xx + yy - 2 * xy, abs=1e-12)


def test_p_values_are_valid_without_drift():
    """At most the stated share of small p-values among 200 tests of equal samples."""
    rng = np.random.default_rng(1)
    p = np.array(
        [
            permutation_test(rng.standard_normal((20, 4)), rng.standard_normal((15, 4)), 99, rng)[1]
            for _ in range(200)
        ]
    )
    assert (p <= 0.05).mean() < 0.10
    assert 0.4 < p.mean() < 0.6


def test_a_shift_is_found():
    """The smallest p-value that 500 permutations can give."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((200, 8)), rng.standard_normal((200, 8)) + 0.5
    seen, p = permutation_test(x.astype(np.float16), y.astype(np.float32), 500, rng)
    assert seen > 0
    assert p == 1 / 501


def test_rows_that_are_not_finite_are_left_out():
    """They would make every distance NaN."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((30, 2)), rng.standard_normal((30, 2))
    dirty = np.concatenate([x, [[np.nan, 0.0]], [[np.inf, 0.0]]])
    clean = permutation_test(x, y, 50, np.random.default_rng(0))
    assert permutation_test(dirty, y, 50, np.random.default_rng(0)) == clean


def test_equal_rows_are_no_drift():
    """No distance at all: p is one."""
    same = np.ones((10, 3))
    assert permutation_test(same, same, 20, np.random.default_rng(0))[1] == 1.0


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3))),
        (np.zeros(5), np.zeros((5, 1))),
        (np.zeros((1, 2)), np.zeros((5, 2))),
        (np.full((5, 2), np.nan), np.zeros((5, 2))),
    ],
)
def test_samples_that_do_not_fit_are_refused(x, y):
    """Says what was expected and what came."""
    with pytest.raises(ShapeError, match="samples: expected"):
        permutation_test(x, y, 10, np.random.default_rng(0))
