"""Verdicts and severities: a page needs the evidence and a surely large effect, never p alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.severity import severity_of
from alerts.types import AlertKind, Finding, Severity
from detectors.streams import StreamKey
from monitor.checks.judge import Onset, Rules, Standing, is_stale, outcome_of, verdicts
from vigil.types import WHOLE, Effect, Outcome, SignalKind, Slice, utc

STREAM = StreamKey("m", "prod", WHOLE, "sharpness")
RULES = Rules(tolerances={}, objectives={}, threshold=43_200.0)
STANDING = Standing(
    stream=STREAM,
    z=40.0,
    evidence=1e9,
    onset_tick=100,
    onset_first=100,
    onset_last=100,
    provisional=False,
    exceeded=True,
)
CAMERA = Slice((("camera", "c4"),))


def effect(low: float, high: float, tolerance: float = 0.15) -> Effect:
    return Effect(
        value=(low + high) / 2,
        low=low,
        high=high,
        tolerance=tolerance,
        unit="KS distance",
        records=10**6,
    )


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.151, 0.20, Outcome.DRIFTED),
        (0.150, 0.20, Outcome.INCONCLUSIVE),
        (0.10, 0.20, Outcome.INCONCLUSIVE),
        (0.02, 0.149, Outcome.HEALTHY),
        (0.0049, 0.0051, Outcome.HEALTHY),
    ],
)
def test_the_lower_bound_decides_and_not_the_evidence(low, high, outcome):
    """Drifted beyond the tolerance, healthy below it, else not sure; the reason has the figures."""
    said, reason = outcome_of(STANDING, effect(low, high))
    assert said is outcome
    assert f"{low:.3f} to {high:.3f}" in reason
    assert "0.150" in reason


@given(st.floats(1.0, 1e300), st.floats(0.0, 0.3), st.floats(0.0, 0.3))
def test_the_outcome_does_not_depend_on_how_much_evidence_there_is(evidence, low, width):
    """With a hundred or a googol thresholds the same effect is judged alike."""
    one = effect(low, low + width)
    assert outcome_of(replace(STANDING, evidence=evidence), one) == outcome_of(STANDING, one)


@pytest.mark.parametrize(("low", "drifted"), [(0.16, False), (0.29, False), (0.31, True)])
def test_without_history_of_its_own_twice_the_tolerance_is_needed(low, drifted):
    """A provisional stream pages later."""
    said, _ = outcome_of(replace(STANDING, provisional=True), effect(low, low + 0.1))
    assert (said is Outcome.DRIFTED) is drifted


def test_an_unknown_effect_never_drifts():
    """It is inconclusive, and spent at once."""
    onset = Onset.at_tick(100, 60.0)
    (said,) = verdicts(
        [STANDING], {}, version="v1", rules=RULES, at=utc(6000), onsets={STREAM: onset}
    )
    assert said.outcome is Outcome.INCONCLUSIVE
    assert said.effect is None
    assert is_stale(STANDING, said, 100)


@pytest.mark.parametrize("kind", [AlertKind.INPUT_FAULT, AlertKind.MODEL_REGRESSION])
def test_severity_comes_from_the_effect_and_never_from_the_evidence(kind):
    """More evidence changes nothing; a farther lower bound does; a larger value alone does not."""

    def severity(low: float, high: float, evidence: float) -> Severity:
        finding = Finding(
            signal="sharpness",
            kind=SignalKind.IMAGE,
            slice=CAMERA,
            effect=effect(low, high),
            evidence=evidence,
            threshold=43_200.0,
        )
        return severity_of(kind, CAMERA, [finding])

    mild = {severity(0.2, 0.9, 10.0**power) for power in np.arange(4.7, 300, 20)}
    assert mild == {severity(0.2, 0.3, 43_200.0)}
    (only,) = mild
    assert severity(0.46, 0.9, 43_200.0).rank > only.rank
