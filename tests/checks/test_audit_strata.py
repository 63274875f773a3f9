"""Leaking strata and dependence between windows: found where they are, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy import stats

from monitor.audit.dependence import BLOCKS, LAGS, DependenceMeter
from monitor.audit.strata import ALPHA, Coverage, Leak, Strata, holm

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
PER_HOUR = 6


def fill(scores: np.ndarray) -> Strata:
    """Ten-minute windows from a Monday on; scores (T, N)."""
    strata = Strata()
    for i, row in enumerate(scores):
        strata.add(MONDAY + timedelta(minutes=10 * (i + 1)), row)
    return strata


def noise(days: int, streams: int, seed: int, carry: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    out = rng.normal(size=(days * 24 * PER_HOUR, streams))
    for i in range(1, len(out)):
        out[i] = carry * out[i - 1] + np.sqrt(1 - carry**2) * out[i]
    return out


def leaks_of(scores: np.ndarray) -> tuple[tuple[Leak, ...], tuple[Coverage, ...]]:
    return fill(scores).leaks(scores.shape[1], np.random.default_rng(0))


@pytest.mark.parametrize("carry", [0.0, 0.6])
def test_healthy_scores_name_a_stratum_no_more_often_than_stated(carry: float) -> None:
    """Familywise: in 60 fleets without season, dependent windows or not, at most 5 % name one
    (bound: one in a thousand of chance)."""
    named = sum(
        any(leak.kind == "hour of day" for leak in leaks_of(noise(8, 6, seed, carry))[0])
        for seed in range(60)
    )
    assert named <= stats.binom.ppf(0.999, 60, ALPHA)


def test_a_daily_season_is_named_with_its_hour() -> None:
    """A swing of half a standard deviation on dependent windows, in one stream of six."""
    scores = noise(10, 6, 1, carry=0.6)
    hours = np.arange(len(scores)) // PER_HOUR % 24
    scores[:, 4] += 0.7 * np.cos(2 * np.pi * (hours - 13) / 24)
    found, _ = leaks_of(scores)
    assert {(leak.kind, leak.stream) for leak in found} == {("hour of day", 4)}
    assert abs(found[0].effect) == pytest.approx(0.7, abs=0.3)


def test_a_weekday_is_named() -> None:
    """Sundays are different in one stream; three weeks show it."""
    scores = noise(28, 4, 2)
    days = np.arange(len(scores)) // (24 * PER_HOUR) % 7
    scores[days == 6, 2] += 1.0
    found, tested = leaks_of(scores)
    week = [leak for leak in found if leak.kind == "day of week"]
    assert [(leak.stream, leak.stratum) for leak in week] == [(2, "Sunday")]
    assert week[0].effect == pytest.approx(1.0, abs=0.2)
    assert [one.streams for one in tested] == [4, 4, 4]


def test_a_stream_that_moved_since_it_was_learnt_is_named() -> None:
    """A constant lean shows as a place."""
    scores = noise(8, 5, 3)
    scores[:, 1] -= 0.5
    found, _ = leaks_of(scores)
    assert [(leak.kind, leak.stream) for leak in found] == [("place", 1)]
    assert found[0].effect == pytest.approx(-0.5, abs=0.1)


def test_what_can_not_be_tested_is_said() -> None:
    """Two days are too few for anything; no data at all is no error."""
    found, tested = leaks_of(noise(2, 3, 4))
    assert found == ()
    assert [(one.kind, one.streams) for one in tested] == [
        ("hour of day", 0),
        ("day of week", 0),
        ("place", 0),
    ]
    assert tested[0].reason == "needs 5 whole days that are judged, has 2"
    assert Strata().leaks(0, np.random.default_rng(0))[0] == ()


def test_gaps_are_no_leaks() -> None:
    """A stream without data at night, and one that is never seen."""
    scores = noise(8, 3, 5)
    hours = np.arange(len(scores)) // PER_HOUR % 24
    scores[hours < 4, 0] = np.nan
    scores[:, 2] = np.nan
    found, tested = leaks_of(scores)
    assert found == ()
    assert tested[0].streams == 2


def test_holm_is_monotone_and_no_smaller_than_the_raw_values() -> None:
    """The textbook example."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


def test_dependence_is_what_numpy_says() -> None:
    """Autocorrelation and inflation of an AR(1) series against the whole series at once."""
    x = noise(14, 2, 6, carry=0.6)
    meter = DependenceMeter(2)
    for i, row in enumerate(x):
        meter.add(600 + i, row)
    found = meter.result()
    for j, lag in enumerate(LAGS):
        for s in range(2):
            expected = np.corrcoef(x[lag:, s], x[:-lag, s])[0, 1]
            assert found.autocorrelation[s, j] == pytest.approx(expected, abs=1e-5)
    for j, block in enumerate(BLOCKS[:3]):
        whole = x[: len(x) // block * block].reshape(-1, block, 2).mean(axis=1)
        expected = block * whole.var(axis=0, ddof=1) / x.var(axis=0)
        assert found.inflation[:, j] == pytest.approx(expected, rel=0.05)


def test_dependence_of_streams_that_come_later_and_of_gaps() -> None:
    """A missing tick pairs with nothing; a new stream starts at nothing."""
    meter = DependenceMeter(1)
    rng = np.random.default_rng(0)
    for i in range(400):
        if i == 200:
            meter.grow(2)
        if i % 7:
            meter.add(i, rng.normal(size=1 if i < 200 else 2))
    found = meter.result()
    assert found.autocorrelation.shape == (2, 3)
    assert abs(found.autocorrelation[0, 0]) < 0.25
    assert np.isnan(found.inflation[1, BLOCKS.index(300)])
