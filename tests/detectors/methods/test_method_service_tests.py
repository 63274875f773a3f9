"""Latency quantiles and missing values: exact laws, ties, too little data, one side only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import binom

import detectors
from detectors.methods.service.latency_quantiles import bounded_quantile
from vigil.errors import ShapeError
from vigil.types import Outcome


@given(n=st.integers(1, 400), q=st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_the_interval_of_a_quantile_is_exact(n: int, q: float) -> None:
    """By the binomial law the ranks at its ends cover with 95 % or more, and with one rank less
    they would not: the interval is as short as it may be."""
    value, low, high = bounded_quantile(np.arange(1.0, n + 1.0), q, 0.05)
    below = binom.cdf(low - 1, n, q) if np.isfinite(low) else 0.0
    above = binom.sf(high - 1, n, q) if np.isfinite(high) else 0.0
    assert max(below, above) <= 0.025 + 1e-12
    if np.isfinite(low) and low < value:
        assert binom.cdf(low, n, q) > 0.025
    if np.isfinite(high) and high > value:
        assert binom.sf(high - 2, n, q) > 0.025
    assert low <= value <= high


def test_the_quantile_is_scipys() -> None:
    """An order statistic, with the interval of SciPy's exact test of quantiles."""
    values = np.sort(np.random.default_rng(0).gamma(4.0, 1.0, 500))
    value, low, high = bounded_quantile(values, 0.9, 0.05)
    oracle = stats.quantile_test(values, p=0.9).confidence_interval(0.95)
    assert value == np.quantile(values, 0.9, method="inverted_cdf")
    assert (low, high) == pytest.approx((oracle.low, oracle.high))


@pytest.mark.parametrize("rounded", [False, True])
def test_a_tolerated_rise_is_not_reported(rounded: bool) -> None:
    """At the edge of the tolerance false alarms are no more than alpha, ties or not."""
    rng = np.random.default_rng(2)
    trials, rejected, hit = 300, 0, 0
    made = detectors.get("latency_quantiles", alpha=0.05, quantile=0.9, tolerance=0.2)
    for _ in range(trials):
        before, now = rng.gamma(4.0, 1.0, 400), 1.2 * rng.gamma(4.0, 1.0, 200)
        if rounded:
            before, now = np.round(before), 1.2 * np.round(now / 1.2)
        found = made.compare(before, now)
        rejected += found.p_value <= 0.05
        hit += found.effect.low <= 0.2 + 1e-12 and found.effect.high >= 0.2 - 1e-12
    assert rejected <= binom.isf(1e-4, trials, 0.05)
    assert hit >= binom.ppf(0.01, trials, 0.93)


def test_a_rise_of_half_is_found_and_a_fall_is_not_a_fault() -> None:
    """The p99 of 5000 requests; healthy where latency fell."""
    rng = np.random.default_rng(3)
    before, now = rng.gamma(4.0, 0.005, 5000), rng.gamma(4.0, 0.005, 5000)
    made = detectors.get("latency_quantiles")
    assert made.compare(before, 1.5 * now).outcome is Outcome.DRIFTED
    fell = made.compare(before, 0.5 * now)
    assert fell.outcome is Outcome.HEALTHY
    assert fell.p_value == 1.0


def test_seconds_are_an_option() -> None:
    """A difference has the unit of the data, and does not mind a reference of zero."""
    made = detectors.get("latency_quantiles", relative=False, quantile=0.5, tolerance=0.01)
    found = made.compare(np.zeros(200), np.full(200, 0.05))
    assert found.outcome is Outcome.DRIFTED
    assert (found.effect.low, found.effect.value, found.effect.unit) == (0.05, 0.05, "s, p50")


def test_too_few_requests_decide_nothing() -> None:
    """Fifty requests say nothing about the p99, and the interval says so."""
    found = detectors.get("latency_quantiles").compare(np.full(50, 0.01), np.full(50, 0.02))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.effect.low == -1.0
    assert found.effect.high == np.inf


def test_latencies_below_zero_are_left_out_of_a_ratio() -> None:
    """A clock that went backwards is not a latency."""
    found = detectors.get("latency_quantiles").compare([0.1, -0.1, 0.2], [0.1, np.nan, -1.0, 0.2])
    assert found.left_out == (1, 2)


@pytest.mark.parametrize(
    ("before", "now"), [((3, 97), (9, 41)), ((0, 30), (1, 9)), ((5, 5), (0, 20))]
)
def test_missing_data_is_fishers_test(before: tuple[int, int], now: tuple[int, int]) -> None:
    """One-sided: more missing than before."""
    sides = [np.repeat([np.nan, 1.0], counts) for counts in (before, now)]
    found = detectors.get("missing_data").compare(*sides)
    oracle = stats.fisher_exact([now, before], alternative="greater").pvalue
    assert found.p_value == pytest.approx(oracle, rel=1e-9)


def test_newcombes_published_interval() -> None:
    """56/70 less 48/80, method 10: 0.0524 to 0.3339."""
    now, before = np.ones(70), np.ones(80)
    now[:56] = before[:48] = np.nan
    effect = detectors.get("missing_data").compare(before, now).effect
    assert effect.value == pytest.approx(0.2)
    assert (effect.low, effect.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_missing_is_none_nan_or_infinite_in_any_kind_of_column() -> None:
    """Numbers, texts with None, times, integers."""
    made = detectors.get("missing_data")
    columns = [
        np.array([1.0, np.nan, np.inf, 4.0]),
        np.array(["a", None, float("nan"), "b"], dtype=object),
        np.array(["NaT", "2026-01-01", "NaT", "2026-01-02"], dtype="datetime64[D]"),
    ]
    for column in columns:
        assert made.compare(np.arange(4), column).details["shares"] == (0.0, 0.5)
    with pytest.raises(ShapeError):
        made.compare(np.ones((2, 2)), np.ones(2))


@pytest.mark.parametrize(("before", "now"), [(0.02, 0.02), (0.02, 0.06), (0.3, 0.1)])
def test_the_interval_of_the_missing_share_covers(before: float, now: float) -> None:
    """The true rise lies in at least 93 % of the intervals."""
    rng = np.random.default_rng(4)
    made, trials, hit = detectors.get("missing_data"), 400, 0
    for _ in range(trials):
        sides = (np.where(rng.random(n) < p, np.nan, 1.0) for n, p in ((600, before), (300, now)))
        effect = made.compare(*sides).effect
        hit += effect.low <= now - before <= effect.high
    assert hit >= binom.ppf(0.01, trials, 0.93)
