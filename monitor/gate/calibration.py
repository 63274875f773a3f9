"""Has the candidate's confidence moved away from how often it is right? Pure."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from detectors.methods.labels.calibration_error import debiased_ece
from detectors.methods.labels.confidence_bins import Binning, curves
from detectors.methods.labels.labelled import Labelled
from monitor.gate.report import Check, Family, judge
from monitor.settings.gate import Gate

RESAMPLES = 200
BINS = 15


def calibration_check(control: Labelled, candidate: Labelled, rules: Gate, seed: int = 0) -> Check:
    """Rise of the debiased expected calibration error, on the same n records.

    The bounds are normal with the spread of ``RESAMPLES`` bootstrap samples of the records; both
    versions keep their pairs, which makes them much narrower than for two sets of records.
    """
    value, spread = _rise(control, candidate), _spread(control, candidate, seed)
    reach = float(norm.isf(rules.error_rate)) * spread
    first, second, _ = curves(control, candidate, BINS, Binning.EQUAL_MASS)
    return Check(
        family=Family.CALIBRATION,
        name="calibration",
        outcome=judge(value - reach, value + reach, rules.calibration_margin),
        text=f"calibration error {debiased_ece(second):.3f}, was {debiased_ece(first):.3f}",
        value=value,
        low=value - reach,
        high=value + reach,
        limit=rules.calibration_margin,
        unit="rise of ECE",
        records=len(candidate),
    )


def _rise(control: Labelled, candidate: Labelled) -> float:
    before, now, _ = curves(control, candidate, BINS, Binning.EQUAL_MASS)
    return debiased_ece(now) - debiased_ece(before)


def _spread(control: Labelled, candidate: Labelled, seed: int) -> float:
    rng, n = np.random.default_rng(seed), len(candidate)
    drawn = []
    for _ in range(RESAMPLES):
        at = rng.integers(0, n, n)
        drawn.append(_rise(control.take(at), candidate.take(at)))
    return float(np.std(drawn, ddof=1))
