"""Item mode: exact under exchangeability, delays near the reference figures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kstest

from detectors.evidence.item_bets import item_bets
from detectors.evidence.items import ItemEvidence, _p_counts, compare_items, run_length
from vigil.errors import ConflictError, ShapeError, WireError


def test_every_arm_pays_one_on_average():
    bets = item_bets()
    assert bets.arms == 34
    assert bets.payoff.min() > 0
    np.testing.assert_allclose(bets.payoff @ bets.widths, 1.0, rtol=1e-12)
    assert bets.prior.sum() == pytest.approx(1.0)


def test_p_values_are_uniform_whatever_the_pool():
    """300 pools of 50 items with ties, 20 items each: cells fill as wide as they are."""
    rng = np.random.default_rng(1)
    bets = item_bets()
    share = rng.dirichlet(np.ones(10))
    pool, table = rng.multinomial(50, share, 300), rng.multinomial(20, share, 300)
    counts = _p_counts(pool, table, bets, rng).sum(axis=0)
    assert counts.sum() == 6000
    chi = ((counts - 6000 * bets.widths) ** 2 / (6000 * bets.widths)).sum()
    assert chi < 66 + 4 * np.sqrt(2 * 66 + 1 / bets.widths.min() / 6000)


def test_false_crossings_stay_within_the_budget(plain):
    """100 streams, pools of 100 items only, 200 steps, one crossing in 20 allowed: 10 at most."""
    rng = np.random.default_rng(2)
    streams = plain.streams(100)
    track = ItemEvidence(20.0, bins=16)
    track.learn(streams, rng.multinomial(100, np.full(16, 1 / 16), 100))
    crossings = 0
    for step in range(200):
        counts = rng.multinomial(10, np.full(16, 1 / 16), 100)
        found = track.step(streams, counts, step=step, rng=rng)
        loud = [s for s, e in zip(streams, found.exceeded, strict=True) if e]
        crossings += len(loud)
        track.reset(loud)
    assert crossings <= 10 + 2 * np.sqrt(10)


@pytest.mark.parametrize(
    ("shift", "streams", "most"),
    [(0.5, 1, 120), (0.25, 1, 400), (0.5, 1000, 220), (0.25, 1000, 700)],
)
def test_delays_are_near_the_reference_figures(shift, streams, most):
    """Median of 11 seeds, at a run length of 1e5 samples and a pool of 10 000."""
    delays = [
        run_length(shift=shift, streams=streams, limit_steps=200, seed=seed) or 4000
        for seed in range(11)
    ]
    assert np.median(delays) <= most


def test_a_one_off_comparison_is_valid_and_finds_what_differs():
    rng = np.random.default_rng(3)
    alarms = sum(
        compare_items(rng.normal(size=200), rng.normal(size=100), rng, bins=32).p_bound <= 0.05
        for _ in range(300)
    )
    assert alarms <= binom.ppf(1 - 1e-4, 300, 0.05)
    found = compare_items(rng.normal(size=5000), rng.normal(0.5, 1, 400), rng)
    assert found.log_e > np.log(1000)
    assert found.p_bound == pytest.approx(np.exp(-found.log_e))
    narrow = compare_items(rng.normal(size=5000), rng.normal(0, 0.7, 1000), rng)
    assert narrow.p_bound < 0.001


def test_values_that_are_not_finite_are_left_out_and_no_data_is_no_evidence():
    rng = np.random.default_rng(4)
    found = compare_items([1.0, np.nan, 2.0], [np.inf], rng)
    assert (found.items, found.reference_items, found.left_out) == (0, 2, (1, 1))
    assert (found.log_e, found.p_bound) == (0.0, 1.0)
    with pytest.raises(ShapeError, match="reference"):
        compare_items(np.zeros((2, 2)), [1.0], rng)


def test_a_constant_signal_is_no_evidence():
    rng = np.random.default_rng(5)
    assert compare_items(np.zeros(500), np.zeros(300), rng).p_bound > 0.01


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_the_items_does_not_matter_in_law_and_not_at_all_for_one_seed(seed):
    rng = np.random.default_rng(seed)
    old, new = rng.normal(size=100), rng.normal(0.3, 1, 50)
    one = compare_items(old, new, np.random.default_rng(7))
    other = compare_items(rng.permutation(old), rng.permutation(new), np.random.default_rng(7))
    assert one == other


def test_saving_and_restoring_changes_nothing(plain):
    rng = np.random.default_rng(6)
    streams = plain.streams(3)
    track = ItemEvidence(100.0, bins=8)
    track.learn(streams, rng.integers(1, 50, (3, 8)))
    track.step(streams, rng.integers(0, 5, (3, 8)), step=0, rng=rng)
    other = ItemEvidence.from_bytes(track.to_bytes())
    counts = rng.integers(0, 5, (3, 8))
    first = track.step(streams, counts, step=1, rng=np.random.default_rng(8))
    second = other.step(streams, counts, step=1, rng=np.random.default_rng(8))
    assert np.array_equal(first.evidence, second.evidence)
    assert track.to_bytes() == other.to_bytes()


def test_chunks_of_a_long_step_give_uniform_p_values(monkeypatch):
    """A step longer than a chunk is cut up; p-values stay uniform."""
    monkeypatch.setattr("detectors.evidence.items._ROOM", 3200)
    rng = np.random.default_rng(9)
    bets = item_bets()
    pool, table = rng.multinomial(200, np.full(8, 1 / 8), 4), rng.multinomial(5000, [1 / 8] * 8, 4)
    counts = _p_counts(pool, table, bets, rng).sum(axis=0)
    middle = np.repeat(0.5 * (bets.edges[1:] + bets.edges[:-1]), counts.astype(int))
    spread = rng.uniform(-0.5, 0.5, len(middle)) * np.repeat(bets.widths, counts.astype(int))
    assert kstest(middle + spread, "uniform").pvalue > 1e-4


def test_errors_say_what_was_expected(plain):
    rng = np.random.default_rng(10)
    streams = plain.streams(2)
    track = ItemEvidence(100.0, bins=8)
    track.step(streams, np.ones((2, 8)), step=1, rng=rng)
    with pytest.raises(ConflictError):
        track.step(streams, np.ones((2, 8)), step=1, rng=rng)
    with pytest.raises(ShapeError):
        track.step(streams, np.ones((2, 9)), step=2, rng=rng)
    with pytest.raises(ShapeError):
        track.step(streams, -np.ones((2, 8)), step=2, rng=rng)
    with pytest.raises(WireError):
        ItemEvidence.from_bytes(b"")
