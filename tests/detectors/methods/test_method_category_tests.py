"""Detectors of labels: SciPy as the oracle, small counts, any kind of label, intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom

import detectors
from detectors.methods.category.contingency import likelihood_ratio, pearson
from detectors.methods.samples import category_counts
from vigil.errors import ShapeError
from vigil.types import Outcome

ALL = ("chi_square", "g_test", "psi_category", "jensen_shannon_category")


def spelled(counts: list[int]) -> Any:
    return np.repeat(np.arange(len(counts)), counts)


@pytest.mark.parametrize(("name", "power"), [("chi_square", 1), ("g_test", 0)])
def test_large_counts_are_scipys(name: str, power: int) -> None:
    """Statistic and p-value of a contingency table."""
    before, now = [120, 80, 40, 60], [90, 95, 30, 85]
    found = detectors.get(name).compare(spelled(before), spelled(now))
    oracle = stats.chi2_contingency([before, now], lambda_=power)
    assert found.statistic == pytest.approx(oracle.statistic, rel=1e-9)
    assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-9)
    assert found.details["method"] == "chi-square"


def test_small_counts_are_fishers() -> None:
    """Two categories: the Monte Carlo p-value is that of the exact test."""
    before, now = [8, 2], [2, 5]
    found = detectors.get("chi_square", permutations=20_000).compare(spelled(before), spelled(now))
    oracle = stats.fisher_exact([before, now]).pvalue
    assert found.details["method"] == "Monte Carlo"
    assert found.p_value == pytest.approx(oracle, abs=0.01)


@pytest.mark.parametrize("name", ALL)
def test_rare_categories_raise_no_false_alarms(name: str) -> None:
    """Sixty categories and forty labels a side: at 5 % no more than 5 %."""
    rng = np.random.default_rng(3)
    trials, rejected = 200, 0
    shares = rng.dirichlet(np.full(60, 0.3))
    made = detectors.get(name, alpha=0.05, permutations=99)
    for _ in range(trials):
        found = made.compare(rng.choice(60, 40, p=shares), rng.choice(60, 40, p=shares))
        rejected += found.p_value <= 0.05
    assert rejected <= binom.isf(1e-4, trials, 0.05)


@pytest.mark.parametrize("name", ALL)
def test_a_new_category_is_found(name: str) -> None:
    """One that the reference never held, named first among the changes."""
    before, now = np.repeat(["cat", "dog"], 500), np.repeat(["cat", "dog", "fox"], 300)
    found = detectors.get(name).compare(before, now)
    assert found.outcome is Outcome.DRIFTED
    if "changes" in found.details:
        assert next(iter(found.details["changes"].items())) == ("fox", pytest.approx(1 / 3))


@pytest.mark.parametrize("name", ALL)
def test_names_and_order_do_not_matter(name: str) -> None:
    """Integers, texts, objects: the same counts give the same answer."""
    rng = np.random.default_rng(0)
    before, now = rng.integers(0, 3, 300), rng.integers(0, 4, 200)
    texts = np.array(["a", "b", "c", "d"])
    plain = detectors.get(name).compare(before, now)
    for change in (lambda x: texts[x], lambda x: texts[x].astype(object), lambda x: x * 1.0):
        other = detectors.get(name).compare(change(before), change(now)[::-1])
        assert (other.p_value, other.effect) == (plain.p_value, plain.effect)


def test_numbers_and_texts_do_not_mix() -> None:
    """A column that changed its type is a fault of the pipeline, and is said to be one."""
    with pytest.raises(ShapeError, match="one kind"):
        detectors.get("chi_square").compare(np.array([1, 2]), np.array(["1", "2"]))


def test_what_is_no_label_is_counted() -> None:
    """None, NaN and fractions are left out."""
    before = np.array([1, None, 2, float("nan")], dtype=object)
    *counts, names, lost = category_counts(before, np.array([1.0, 1.5, np.inf, 2.0, 2.0]))
    assert [one.tolist() for one in counts] == [[1, 1], [1, 2]]
    assert (names, lost) == ((1, 2), (2, 2))


@given(
    rows=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8).filter(
        lambda rows: all(sum(side) for side in zip(*rows, strict=True))
    )
)
@settings(max_examples=80, deadline=None)
def test_statistics_are_symmetric_and_zero_at_equality(rows: list[tuple[int, int]]) -> None:
    """Pearson's and the likelihood ratio, empty cells included."""
    before, now = (np.array(side) for side in zip(*rows, strict=True))
    for statistic in (pearson, likelihood_ratio):
        assert float(statistic(before, now)) == pytest.approx(float(statistic(now, before)))
        assert float(statistic(before, 3 * before)) == pytest.approx(0.0, abs=1e-9)
        assert float(statistic(before, now)) >= 0.0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("change", [0.0, 0.1, 0.3])
def test_intervals_cover(name: str, change: float) -> None:
    """The true distance lies in at least 93 % of the intervals."""
    p = np.array([0.5, 0.3, 0.2])
    q = p + change * np.array([-1.0, 0.0, 1.0])
    true = {
        "psi_category": float(((q - p) * np.log(q / p)).sum()),
        "jensen_shannon_category": float(jensenshannon(p, q, base=2)),
    }.get(name, float(np.abs(p - q).sum() / 2.0))
    rng = np.random.default_rng(5)
    made = detectors.get(name, permutations=199)
    trials, hit = 200, 0
    for _ in range(trials):
        found = made.compare(rng.choice(3, 400, p=p), rng.choice(3, 200, p=q)).effect
        hit += found.low - 1e-9 <= true <= found.high + 1e-9
    assert hit >= binom.ppf(0.01, trials, 0.93)
