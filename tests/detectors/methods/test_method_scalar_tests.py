"""Detectors of numbers: SciPy as the oracle, invariances, ties, intervals that cover."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom

import detectors
from detectors.methods.divergence import SHANNON, STABILITY
from detectors.methods.resampling import redrawn, relabelled
from detectors.methods.scalar.bins import binned, quantile_edges
from detectors.methods.scalar.cramer_von_mises import _limit_tail
from vigil.errors import ShapeError
from vigil.types import Outcome

ALL = ("ks", "cramer_von_mises", "psi", "jensen_shannon", "wasserstein")
SIZES = [(12, 9), (150, 300), (2000, 700)]
small = arrays(
    np.float64, st.integers(1, 40), elements=st.integers(-20, 20).map(lambda one: one / 4.0)
)


def pair(m: int, n: int, shift: float = 0.3) -> tuple[Any, Any]:
    rng = np.random.default_rng([m, n])
    return rng.normal(size=m), rng.normal(shift, 1.0, n)


def few(name: str, times: int) -> dict[str, int]:
    """Arguments for few draws, of the detectors that draw."""
    drawing = {"wasserstein": {"resamples": times}, "ks": {}, "cramer_von_mises": {}}
    return drawing.get(name, {}) | ({} if name in ALL[:2] else {"permutations": times})


@pytest.mark.parametrize(("m", "n"), [*SIZES, (20_000, 15_000)])
def test_ks_is_scipys(m: int, n: int) -> None:
    """Distance, place and p-value."""
    x, y = pair(m, n, 0.02)
    found = detectors.get("ks").compare(x, y)
    oracle = stats.ks_2samp(x, y)
    assert found.statistic == pytest.approx(oracle.statistic, abs=1e-12)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.details["where"] == oracle.statistic_location


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_cramer_von_mises_is_scipys(m: int, n: int) -> None:
    """Statistic and p-value, exact and approximate."""
    x, y = pair(m, n, 0.1)
    found = detectors.get("cramer_von_mises").compare(x, y)
    oracle = stats.cramervonmises_2samp(x, y)
    assert found.statistic == pytest.approx(oracle.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-6)


def test_cramer_von_mises_breaks_ties_on_average() -> None:
    """With ties, the statistic is the mean of SciPy's over random ways of breaking them."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 4, 30).astype(float), rng.integers(0, 5, 20).astype(float)
    found = detectors.get("cramer_von_mises").compare(x, y).statistic
    broken = [
        stats.cramervonmises_2samp(
            x + rng.uniform(0, 0.5, 30), y + rng.uniform(0, 0.5, 20), method="asymptotic"
        ).statistic
        for _ in range(3000)
    ]
    assert abs(found - np.mean(broken)) < 4 * np.std(broken) / np.sqrt(3000)


def test_the_tail_of_cramer_von_mises_is_continuous_and_right() -> None:
    """Published quantiles, and no step where the series ends."""
    known = {0.34730: 0.1, 0.46136: 0.05, 0.74346: 0.01, 1.16786: 0.001}
    for x, p in known.items():
        assert _limit_tail(x) == pytest.approx(p, rel=2e-3)
    assert _limit_tail(3.0) == pytest.approx(_limit_tail(3.0 + 1e-9), rel=2e-2)
    assert 0.0 < _limit_tail(30.0) < 1e-60


@pytest.mark.parametrize(("m", "n"), SIZES)
def test_wasserstein_is_scipys(m: int, n: int) -> None:
    """In reference standard deviations, ties included."""
    for x, y in (pair(m, n), tuple(np.round(one) for one in pair(m, n))):
        found = detectors.get("wasserstein", resamples=19).compare(x, y)
        oracle = stats.wasserstein_distance(x, y) / x.std()
        assert found.effect.value == pytest.approx(oracle, rel=1e-9)


def test_wasserstein_against_a_permutation_test_of_records() -> None:
    """Cells change the p-value of a permutation test by less than its own noise."""
    x, y = pair(200, 100, 0.2)
    found = detectors.get("wasserstein", permutations=4999).compare(x, y)
    rng = np.random.default_rng(1)
    oracle = stats.permutation_test(
        (x, y), stats.wasserstein_distance, n_resamples=999, alternative="greater", rng=rng
    )
    assert found.p_value == pytest.approx(oracle.pvalue, abs=0.03)


def test_divergences_are_the_textbooks() -> None:
    """Jensen-Shannon as in SciPy; PSI as its formula says, pseudo-counts included."""
    p, q = np.array([10, 20, 0, 5]), np.array([7, 7, 7, 0])
    seen = float(np.sqrt(SHANNON.value(p, q)))
    assert seen == pytest.approx(jensenshannon(p, q, base=2), rel=1e-12)
    a, b = (p + 0.5) / 37.0, (q + 0.5) / 23.0
    index = stats.entropy(a, b) + stats.entropy(b, a)
    assert float(STABILITY.value(p, q)) == pytest.approx(index, rel=1e-12)


def test_bins_hold_equal_shares_and_ties_get_their_own() -> None:
    """Ten deciles of a smooth signal; a constant, or a mass of zeros, is a bin of its own."""
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=1000)
    assert set(binned(smooth, quantile_edges(smooth, 10)).tolist()) == {100}
    constant = quantile_edges(np.full(50, 3.0), 10)
    assert binned(np.array([2.0, 3.0, 3.0, 4.0]), constant).tolist() == [1, 2, 1]
    sparse = np.append(np.zeros(700), np.arange(1.0, 301.0))
    counts = binned(sparse, quantile_edges(sparse, 10))
    assert counts[0] == 0
    assert counts[1] == 700


def test_numbers_may_come_with_none() -> None:
    """As columns with gaps do; texts are no numbers, also where they look like some."""
    made = detectors.get("ks")
    found = made.compare(np.array([1, None, 2.5, 3], dtype=object), [1.0, 2.0, np.inf])
    assert found.left_out == (1, 1)
    with pytest.raises(ShapeError, match="real numbers"):
        made.compare(np.array(["1", "2"], dtype=object), [1.0])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("moved", [2.0, 4.0])
def test_a_constant_that_moves_is_drift(name: str, moved: float) -> None:
    """To either side: a stuck signal that sticks elsewhere."""
    found = detectors.get(name).compare(np.full(300, 3.0), np.full(300, moved))
    assert found.outcome is Outcome.DRIFTED


@given(x=small, y=small)
@settings(max_examples=60, deadline=None)
def test_distances_are_symmetric_and_zero_at_equality(x: Any, y: Any) -> None:
    """The order of the samples does not matter to KS and Cramer-von Mises; equal ones are 0."""
    for name in ("ks", "cramer_von_mises"):
        one, other = (detectors.get(name).compare(*two) for two in ((x, y), (y, x)))
        assert one.effect.value == pytest.approx(other.effect.value, abs=1e-12)
        assert one.p_value == pytest.approx(other.p_value, rel=1e-6, abs=1e-9)
    for name in ALL:
        made = detectors.get(name, **few(name, 9))
        assert made.compare(x, x).effect.value == pytest.approx(0.0, abs=1e-12)


@given(x=small, y=small)
@settings(max_examples=60, deadline=None)
def test_rank_tests_do_not_mind_a_monotone_transform(x: Any, y: Any) -> None:
    """KS and Cramer-von Mises see ranks only."""
    for name in ("ks", "cramer_von_mises"):
        made = detectors.get(name)
        plain, bent = made.compare(x, y), made.compare(np.exp(x) + x, np.exp(y) + y)
        assert bent.statistic == pytest.approx(plain.statistic, rel=1e-12)
        assert bent.effect.low == pytest.approx(plain.effect.low, abs=1e-9)


@given(x=small, y=small, scale=st.sampled_from([0.25, 8.0]), shift=st.sampled_from([-16.0, 4.0]))
@settings(max_examples=40, deadline=None)
def test_wasserstein_has_no_unit(x: Any, y: Any, scale: float, shift: float) -> None:
    """Metres or feet: it is counted in reference standard deviations."""
    made = detectors.get("wasserstein", resamples=9)
    plain, other = made.compare(x, y), made.compare(scale * x + shift, scale * y + shift)
    assert other.effect.value == pytest.approx(plain.effect.value, rel=1e-9, abs=1e-12)


def test_relabelling_keeps_the_pool_and_redrawing_the_sizes() -> None:
    """Counts add up, in batches too."""
    first, second = np.array([5, 0, 7]), np.array([1, 3, 9])

    def totals(a: Any, b: Any) -> Any:
        assert (a.sum(axis=-1) == 12).all()
        assert (b.sum(axis=-1) == 13).all()
        return (a + b)[..., 2].astype(float)

    rng = np.random.default_rng(0)
    assert set(relabelled(totals, first, second, 50, rng).tolist()) == {16.0}
    assert len(redrawn(totals, first, second, 50, rng)) == 50


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["sparse", "counts"])
def test_ties_raise_no_false_alarms(name: str, kind: str) -> None:
    """A signal that is half zeros, and one of small integers: at 5 % no more than 5 %."""
    rng = np.random.default_rng(7)
    trials, rejected = 300, 0
    made = detectors.get(name, alpha=0.05, **few(name, 99))
    for _ in range(trials):
        x, y = (
            rng.poisson(3.0, n).astype(float)
            if kind == "counts"
            else np.where(rng.random(n) < 0.5, 0.0, rng.gamma(2.0, 1.0, n))
            for n in (120, 60)
        )
        rejected += made.compare(x, y).p_value <= 0.05
    assert rejected <= binom.isf(1e-4, trials, 0.05)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.3, 1.0), (0.0, 1.5)])
def test_intervals_cover(name: str, shift: float, spread: float) -> None:
    """The true distance of two normal laws lies in at least 93 % of the intervals."""
    true = true_distances(shift, spread)[name]
    rng = np.random.default_rng(11)
    made = detectors.get(name, **few(name, 199))
    trials, hit = 150, 0
    for _ in range(trials):
        found = made.compare(rng.normal(size=400), rng.normal(shift, spread, 200)).effect
        hit += found.low - 1e-9 <= true <= found.high + 1e-9
    assert hit >= binom.ppf(0.01, trials, 0.93)


def true_distances(shift: float, spread: float) -> dict[str, float]:
    """Between N(0, 1) and N(shift, spread^2), by integration on a fine grid."""
    t = np.linspace(-10.0, 10.0, 100_001)
    width = t[1] - t[0]
    law = stats.norm(shift, spread)
    gap = stats.norm.cdf(t) - law.cdf(t)
    density = (stats.norm.pdf(t) + law.pdf(t)) / 2.0
    inner = stats.norm.ppf(np.arange(1, 10) / 10)
    p, q = np.full(10, 0.1), np.diff(np.concatenate([[0.0], law.cdf(inner), [1.0]]))
    return {
        "ks": float(np.abs(gap).max()),
        "cramer_von_mises": float(np.sqrt((gap**2 * density).sum() * width)),
        "wasserstein": float(np.abs(gap).sum() * width),
        "psi": float(((q - p) * np.log(q / p)).sum()),
        "jensen_shannon": float(jensenshannon(p, q, base=2)),
    }
