"""The interlock: what a replay proves, and what it does not."""

from __future__ import annotations

import pytest

from alerts.actions.interlock import InterlockOutcome, judge
from vigil.types import Effect


def drift(value: float, half: float = 0.05) -> Effect:
    return Effect(
        value=value, low=value - half, high=value + half, tolerance=0.15, unit="KS", records=300
    )


@pytest.mark.parametrize(
    ("current", "target", "outcome"),
    [
        (drift(0.5), drift(0.05), InterlockOutcome.BETTER),
        (drift(0.5), drift(0.5), InterlockOutcome.NO_BETTER),
        (drift(0.3), drift(0.26), InterlockOutcome.NO_BETTER),
        (drift(0.3, half=0.2), drift(0.1, half=0.1), InterlockOutcome.UNAVAILABLE),
        (drift(0.04), drift(0.06), InterlockOutcome.UNAVAILABLE),
        (drift(0.06), drift(0.04), InterlockOutcome.UNAVAILABLE),
    ],
)
def test_only_a_replay_that_shows_the_drift_tells_of_the_target(current, target, outcome):
    """Where the current version's outputs look healthy, the fault lies in what outputs do not show
    (latency, classes that answer for each other): nothing is said about the target."""
    assert judge(current, target).outcome is outcome
