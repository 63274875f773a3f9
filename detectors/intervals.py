"""Confidence intervals of shares, 95 %."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from detectors.reference import Floats

_Z = float(norm.ppf(0.975))


def wilson(successes: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """Wilson's score interval of a share, elementwise; [0, 1] where there were no trials.

    Source: Wilson, Probable Inference, 1927.
    """
    n = np.maximum(trials, 1e-9)
    share = successes / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * np.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    low, high = np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)
    return np.where(trials > 0, low, 0.0), np.where(trials > 0, high, 1.0)


def newcombe(
    expected: Floats, expected_noise: Floats, successes: Floats, trials: Floats
) -> tuple[Floats, Floats]:
    """Interval of ``expected - share``, the share with Wilson's interval, the expectation with a
    normal one.

    Source: Newcombe, Interval Estimation for the Difference between Independent Proportions, 1998,
    method 10.
    """
    share = successes / np.maximum(trials, 1e-9)
    low, high = wilson(successes, trials)
    spread = _Z * expected_noise
    value = expected - share
    return (
        value - np.sqrt(spread**2 + (high - share) ** 2),
        value + np.sqrt(spread**2 + (share - low) ** 2),
    )


Share = tuple[Floats, Floats, Floats]
"""A share with the low and the high end of its interval."""


def difference(first: Share, second: Share) -> Share:
    """``first - second`` of independent shares with an interval from their own, elementwise.

    Source: Newcombe, 1998, method 10.
    """
    value = first[0] - second[0]
    return (
        value,
        value - np.hypot(first[0] - first[1], second[2] - second[0]),
        value + np.hypot(first[2] - first[0], second[0] - second[1]),
    )
