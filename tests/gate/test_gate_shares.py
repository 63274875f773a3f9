"""Intervals of a loss of accuracy hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest

from monitor.gate.shares import paired_loss, unpaired_loss

ONES = np.ones(100)


def test_no_difference_still_leaves_room() -> None:
    """Of 100 pairs that agree, the bound is that of the score test: z^2 / (n + z^2)."""
    found = paired_loss(ONES, ONES, low=0.05, high=0.05)
    z = 1.6448536
    assert found.value == 0.0
    assert found.high == pytest.approx(z**2 / (100 + z**2), rel=1e-4)
    assert found.low == pytest.approx(-found.high)


def test_all_lost_and_all_won_are_bounded_by_one() -> None:
    lost = paired_loss(ONES, np.zeros(100), low=0.05, high=0.05)
    assert (lost.value, lost.high) == (1.0, 1.0)
    assert 0.9 < lost.low < 1.0
    won = paired_loss(np.zeros(100), ONES, low=0.05, high=0.05)
    assert won.value == won.low == -1.0


def test_the_bounds_solve_the_score_equation() -> None:
    """The nuisance parameter by search, instead of by the formula, gives the same bounds."""
    control = np.concatenate([np.ones(12), np.zeros(2), np.ones(30)])
    candidate = np.concatenate([np.zeros(12), np.ones(2), np.ones(30)])
    found = paired_loss(control, candidate, low=0.025, high=0.025)
    assert found.value == pytest.approx(10 / 44)
    for delta, n12, n21 in ((found.high, 12, 2), (-found.low, 2, 12)):
        assert _score(n12, n21, 44, delta) == pytest.approx(-1.959964, abs=1e-4)


def _score(n12: float, n21: float, n: int, delta: float) -> float:
    """Tango's statistic."""
    q = np.linspace(max(0.0, -delta) + 1e-9, min(1.0, 1.0 - delta) - 1e-9, 1_000_001)
    p = q + delta
    rest = n - n12 - n21
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = n12 * np.log(p) + n21 * np.log(q) + rest * np.log(1 - p - q)
    best = q[int(np.nanargmax(np.where(np.isfinite(likelihood), likelihood, -np.inf)))]
    return float((n12 - n21 - n * delta) / np.sqrt(n * (2 * best + delta * (1 - delta))))


@pytest.mark.parametrize(("both_wrong", "lost", "won"), [(0.05, 0.02, 0.01), (0.1, 0.004, 0.0)])
def test_the_bounds_err_as_often_as_asked(both_wrong: float, lost: float, won: float) -> None:
    """Over 2000 evaluation sets of 500 pairs, each bound is on the wrong side in about 5 %."""
    rng = np.random.default_rng(7)
    above = below = 0
    for _ in range(2000):
        kind = rng.choice(4, 500, p=[1 - both_wrong - lost - won, both_wrong, lost, won])
        control = np.isin(kind, (0, 2)).astype(float)
        candidate = np.isin(kind, (0, 3)).astype(float)
        found = paired_loss(control, candidate, low=0.05, high=0.05)
        above += found.low > lost - won
        below += found.high < lost - won
    assert max(above, below) <= 2000 * 0.075, (above, below)
    assert above >= 20, "bounds that never err are too wide"


def test_other_records_are_compared_by_newcombe() -> None:
    """56 of 70 against 48 of 80: 0.2, 0.0524 to 0.3339 at 95 % (Newcombe 1998, table II, a)."""
    found = unpaired_loss((56, 48), (70, 80), low=0.025, high=0.025)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)
