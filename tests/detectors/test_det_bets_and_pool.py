"""The two exact ingredients: bets that can't gain on uniform p-values, and p-values that are
uniform."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from detectors.evidence.bets import standard_bets
from detectors.evidence.pool import CELLS, GRID, cells_of, histogram, p_values


def test_every_arm_pays_exactly_one_on_average():
    """sum_j w_j f_j = 1 for each arm, to rounding."""
    bets = standard_bets()
    assert (len(bets.widths), bets.arms) == (66, 34)
    np.testing.assert_allclose(bets.payoff @ bets.widths, 1.0, rtol=0, atol=1e-12)
    assert bets.payoff.min() > 0
    assert bets.prior.sum() == 1.0 or abs(bets.prior.sum() - 1.0) < 1e-12


def test_cells_are_symmetric_and_cover_the_unit_interval():
    """The same bets are open on both sides."""
    edges = standard_bets().edges
    np.testing.assert_allclose(edges, 1.0 - edges[::-1], atol=1e-12)
    assert (edges[0], edges[-1], edges[1]) == (0.0, 1.0, 5e-5)
    assert standard_bets().cell(np.array([0.0, 1.0])).tolist() == [0, 65]


def test_arms_gain_on_the_change_they_are_made_for():
    """Under a mean shift of 2 the matching arm grows by its Kullback-Leibler rate, near 2 per
    tick."""
    from scipy.stats import norm

    bets = standard_bets()
    p = norm.cdf(np.random.default_rng(0).normal(2.0, 1.0, 20_000))
    growth = np.log(bets.payoffs(p)).mean(axis=0)
    assert 1.8 < growth.max() < 2.05


def test_p_values_are_uniform_although_the_pool_is_short():
    """After only 20 scores a conformal p-value is already exactly uniform."""
    rng = np.random.default_rng(1)
    streams = 4000
    counts = histogram(rng.standard_normal((20, streams)))
    p = p_values(counts, cells_of(rng.standard_normal(streams)), rng.random(streams))
    assert kstest(p, "uniform").pvalue > 0.001


def test_p_values_are_uniform_with_heavy_ties():
    """Scores that take three values only are handled by the random tie-break."""
    rng = np.random.default_rng(2)
    counts = histogram(rng.integers(0, 3, (30, 4000)).astype(float))
    p = p_values(counts, cells_of(rng.integers(0, 3, 4000).astype(float)), rng.random(4000))
    assert kstest(p, "uniform").pvalue > 0.001


def test_a_frozen_pool_is_not_uniform_for_one_stream():
    """Why the pool grows: against one fixed short history the p-values of a stream all err
    alike."""
    rng = np.random.default_rng(3)
    counts = histogram(rng.standard_normal((20, 1)))
    z = rng.standard_normal(4000)
    p = p_values(np.repeat(counts, 4000, axis=0), cells_of(z), rng.random(4000))
    assert kstest(p, "uniform").pvalue < 1e-4


def test_an_empty_pool_says_nothing():
    """Without a history p is the tie-breaking uniform itself."""
    uniform = np.array([0.25, 0.75])
    empty = np.zeros((2, CELLS), np.int32)
    np.testing.assert_array_equal(
        p_values(empty, cells_of(np.array([9.0, -9.0])), uniform), uniform
    )


def test_cells_reach_from_far_below_to_far_above():
    """No score falls outside, not even an infinite one."""
    cells = cells_of(np.array([-np.inf, -1e9, 0.0, 1e9, np.inf]))
    assert cells.min() == 0
    assert cells.max() == CELLS - 1 == len(GRID)


def test_missing_scores_do_not_enter_the_pool():
    """NaN marks a window without a score."""
    counts = histogram(np.array([[0.0, np.nan], [1.0, np.nan]]))
    assert counts.sum(axis=1).tolist() == [2, 0]
