"""Guardrails: slices that crossed are named, others as rarely as stated."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from detectors.evidence.guardrail import GuardedSlice, e_bh, e_holm, guardrails
from vigil.types import Slice


def guarded(rng, name, n, risk, *, margin=0.02, reference=2000):
    return GuardedSlice(
        slice=Slice((("site", name),)),
        losses=(rng.random(n) < risk).astype(float),
        errors=float(rng.binomial(reference, 0.1)),
        labels=float(reference),
        margin=margin,
    )


def test_the_slice_that_crossed_is_named_and_no_other():
    rng = np.random.default_rng(1)
    slices = [guarded(rng, str(k), 1500, 0.25 if k == 3 else 0.1) for k in range(10)]
    report = guardrails(slices)
    assert report.crossed == (Slice((("site", "3"),)),)
    assert report.findings[0].slice == report.crossed[0]
    assert "site=3" in report.reason
    assert report.combined > np.log(100)


def test_healthy_slices_are_named_as_rarely_as_stated():
    """Risks at the guardrail itself, the reference known; 8 slices, alpha 0.1, 150 reports."""
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(150):
        slices = [guarded(rng, str(k), 300, 0.12, reference=10**7) for k in range(8)]
        wrong += bool(guardrails(slices, alpha=0.1).crossed)
    assert wrong <= binom.ppf(1 - 1e-4, 150, 0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 12), st.floats(0.05, 1.0)), min_size=1, max_size=7))
def test_e_holm_is_the_least_mean_over_all_sets(pairs):
    """Against the definition, over every set of slices."""
    log_e, weights = (np.array(column) for column in zip(*pairs, strict=True))
    weights = weights / weights.sum()
    found = e_holm(log_e, weights)
    for k in range(len(log_e)):
        others = [j for j in range(len(log_e)) if j != k]
        sets = [[k, *extra] for size in range(len(log_e)) for extra in combinations(others, size)]
        least = min(weights[s] @ np.exp(log_e[s]) / weights[s].sum() for s in sets)
        assert np.exp(found[k]) == pytest.approx(least)


def test_e_bh_names_at_least_what_bonferroni_does():
    log_e = np.log([1e5, 50.0, 30.0, 0.5])
    weights = np.full(4, 0.25)
    assert e_bh(log_e, weights, 0.1).tolist() == [True, True, True, False]
    assert e_bh(np.log([1.0, 2.0]), np.full(2, 0.5), 0.1).tolist() == [False, False]


def test_weights_favour_a_slice_and_must_make_sense():
    rng = np.random.default_rng(3)
    slices = [guarded(rng, str(k), 60, 0.3 if k == 0 else 0.1) for k in range(12)]
    favoured = {one.slice: (30.0 if one is slices[0] else 1.0) for one in slices}
    equal = guardrails(slices).findings[0].adjusted
    assert guardrails(slices, weights=favoured).findings[0].adjusted > equal
    with pytest.raises(ValueError, match="weights"):
        guardrails(slices, weights={one.slice: 0.0 for one in slices})


def test_nothing_guarded_and_nothing_known():
    assert guardrails([]).reason == "no slice is guarded"
    empty = GuardedSlice(slice=Slice(), losses=[], errors=0.0, labels=0.0, margin=0.1)
    report = guardrails([empty])
    assert report.crossed == ()
    assert report.findings[0].units == 0
