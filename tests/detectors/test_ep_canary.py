"""Canaries: each wrong decision is as rare as stated, whatever hits both versions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from detectors.evidence.canary import CanaryOutputs, CanaryTest, Decision
from vigil.errors import ShapeError, WireError


def traffic(rng, n, difference, *, share=0.1, season=0.0):
    is_new = rng.random(n) < share
    risk = 0.1 + season * np.sin(np.arange(n) / 500) + difference * is_new
    return is_new, (rng.random(n) < risk).astype(float)


def run(seed, n, difference, *, alpha=0.01, margin=0.02, share=0.1, season=0.0):
    test = CanaryTest(share=share, margin=margin, alpha=alpha)
    rng = np.random.default_rng(seed)
    return test.add(*traffic(rng, n, difference, share=share, season=season))


def test_an_equal_version_is_rolled_back_as_rarely_as_stated():
    """100 releases without a difference, seasons of +-8 points, alpha 0.1."""
    said = [run(s, 20_000, 0.0, alpha=0.1, season=0.08).decision for s in range(100)]
    assert said.count(Decision.ROLLBACK) <= binom.ppf(1 - 1e-4, 100, 0.1)
    assert said.count(Decision.ACCEPT) > 30


def test_a_version_worse_by_the_margin_is_accepted_as_rarely_as_stated():
    said = [run(s, 20_000, 0.02, alpha=0.1, season=0.08).decision for s in range(100)]
    assert said.count(Decision.ACCEPT) <= binom.ppf(1 - 1e-4, 100, 0.1)


@pytest.mark.parametrize(("difference", "most"), [(0.03, 22_000), (0.02, 45_000), (0.01, 160_000)])
def test_worse_versions_are_rolled_back_in_about_as_many_requests_as_stated(difference, most):
    """10 % errors, a tenth of the traffic: 16k, 34k and 112k requests for +3, +2, +1 points."""
    found = [run(seed, most, difference, margin=difference) for seed in range(15)]
    units = [sum(one.units) for one in found if one.decision is Decision.ROLLBACK]
    assert len(units) >= 8
    assert np.median(units) < most


def test_the_verdict_says_why_and_stays():
    test = CanaryTest(share=0.5, margin=0.02)
    rng = np.random.default_rng(1)
    assert test.look().decision is Decision.CONTINUE
    assert "100 decides" in test.look().reason
    verdict = test.add(*traffic(rng, 5000, 0.2, share=0.5))
    assert verdict.decision is Decision.ROLLBACK
    assert verdict.reason.startswith("the new version is worse: risk 0.")
    assert test.add(*traffic(rng, 50_000, -0.1, share=0.5)) == verdict
    assert CanaryTest.from_bytes(test.to_bytes()).look() == verdict


def test_batches_do_not_matter_and_neither_does_saving():
    rng = np.random.default_rng(2)
    is_new, loss = traffic(rng, 3000, 0.01)
    whole = CanaryTest(share=0.1, margin=0.02)
    whole.add(is_new, loss)
    parts = CanaryTest(share=0.1, margin=0.02)
    for i in range(0, 3000, 171):
        parts.add(is_new[i : i + 171], loss[i : i + 171])
        parts = CanaryTest.from_bytes(parts.to_bytes())
    assert parts.look().rollback == pytest.approx(whole.look().rollback)
    assert parts.look().accept == pytest.approx(whole.look().accept)
    assert parts.look().units == whole.look().units


def test_more_errors_of_the_new_version_mean_more_evidence():
    rng = np.random.default_rng(3)
    is_new, loss = traffic(rng, 1500, 0.0)
    found = []
    for share in (0.0, 0.1, 0.2, 0.4):
        worse = np.where(is_new & (np.random.default_rng(4).random(1500) < share), 1.0, loss)
        found.append(CanaryTest(share=0.1, margin=0.0, alpha=1e-12).add(is_new, worse).rollback)
    assert found == sorted(found)


def outputs(rng, n, *, moved):
    is_new = rng.random(n) < 0.2
    classes = rng.choice(5, n, p=(0.4, 0.3, 0.2, 0.05, 0.05))
    swap = is_new & (classes == 0) & (rng.random(n) < moved)
    return is_new, np.where(swap, 4, classes)


def test_equal_outputs_are_called_different_as_rarely_as_stated():
    rng = np.random.default_rng(5)
    crossed = 0
    for _ in range(100):
        test, over = CanaryOutputs(share=0.2, bins=5, alpha=0.1), False
        for _ in range(30):
            test.add(*outputs(rng, 100, moved=0.0))
            over |= test.differs
        crossed += over
    assert crossed <= binom.ppf(1 - 1e-4, 100, 0.1)


def test_different_outputs_are_found_without_labels():
    rng = np.random.default_rng(6)
    test = CanaryOutputs(share=0.2, bins=5)
    for _ in range(60):
        test.add(*outputs(rng, 100, moved=0.25))
        test = CanaryOutputs.from_bytes(test.to_bytes())
        if test.differs:
            break
    assert test.differs


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="share and alpha"):
        CanaryTest(share=1.0, margin=0.1)
    test = CanaryTest(share=0.5, margin=0.1)
    with pytest.raises(ShapeError):
        test.add([1, 0], [0.5])
    with pytest.raises(ValueError, match="losses"):
        test.add([1], [1.5])
    assert test.add([1, 0], [np.nan, 0.5]).units == (1, 0)
    with pytest.raises(ValueError, match="outputs in 0 to 4"):
        CanaryOutputs(share=0.5, bins=5).add([1], [7])
    with pytest.raises(WireError):
        CanaryTest.from_bytes(CanaryOutputs(share=0.5, bins=5).to_bytes())
