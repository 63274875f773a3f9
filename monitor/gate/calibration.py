"""Has the candidate's confidence moved away from how often it is right? Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from detectors.methods.labels.labelled import Floats, Ints, Labelled
from monitor.gate.report import Check, Family, judge
from monitor.settings.gate import Gate

MOST_BINS, FEWEST_BINS = 15, 5
RECORDS_A_BIN = 400
SPLITS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Rise:
    """Of the calibration error, with one-sided bounds; ``before`` and ``now`` are the plain sums,
    which are too large in any finite sample."""

    before: float
    now: float
    low: float
    high: float

    @property
    def value(self) -> float:
        return float(np.clip(self.now - self.before, self.low, self.high))


def rise_of_error(control: Labelled, candidate: Labelled, *, error: float, seed: int = 0) -> Rise:
    """Rise of ``E = sum_b n_b / n |mean of right - confidence in bin b|`` on the same n records,
    in bins of equal mass by the mean confidence of both; each bound errs with chance ``error``.

    The sum of absolute values is too large by chance, most of all for a model that is calibrated.
    Taking each bin's sign from one half of the records and its size from the other makes it too
    small instead. So ``E_now - E_before`` lies between small less large and large less small. And
    it is at most ``sum_b n_b / n |change of the gap in b|``, to either side: two versions that
    answer nearly alike are told to be so at any size.
    """
    key = (control.confidence + candidate.confidence) / 2.0
    bins = int(np.clip(len(key) // RECORDS_A_BIN, FEWEST_BINS, MOST_BINS))
    edges = np.unique(np.quantile(key, np.arange(1, bins) / bins, method="higher"))
    at = np.searchsorted(edges, key, side="right")
    size = len(edges) + 1
    gaps = [one.correct - one.confidence for one in (control, candidate)]
    rng = np.random.default_rng(seed)
    large = [_plain(gap, at, size) for gap in gaps]
    small = [_crossed(gap, at, size, rng) for gap in gaps]
    z = float(norm.isf(error / 2.0))  # each bound is the better of two
    spread = [_spread(gap, at, size) for gap in gaps]
    reach = z * float(np.hypot(spread[0], spread[1]))
    change = gaps[1] - gaps[0]
    most = _plain(change, at, size) + z * _spread(change, at, size)
    return Rise(
        before=large[0],
        now=large[1],
        low=max(small[1] - large[0] - reach, -most),
        high=min(large[1] - small[0] + reach, most),
    )


def calibration_check(control: Labelled, candidate: Labelled, rules: Gate) -> Check:
    found = rise_of_error(control, candidate, error=rules.error_rate)
    return Check(
        family=Family.CALIBRATION,
        name="calibration",
        outcome=judge(found.low, found.high, rules.calibration_margin),
        text=f"calibration error {found.now:.3f}, was {found.before:.3f}",
        value=found.value,
        low=found.low,
        high=found.high,
        limit=rules.calibration_margin,
        unit="rise of ECE",
        records=len(candidate),
    )


def _plain(gap: Floats, at: Ints, bins: int) -> float:
    return float(np.abs(np.bincount(at, weights=gap, minlength=bins)).sum()) / len(gap)


def _crossed(gap: Floats, at: Ints, bins: int, rng: np.random.Generator) -> float:
    """Signs from one half and sizes from the other, both ways, over several splits."""
    found = []
    for _ in range(SPLITS):
        first = rng.permutation(len(gap)) < len(gap) // 2
        sums = [
            np.bincount(at[half], weights=gap[half], minlength=bins) for half in (first, ~first)
        ]
        found.append(np.sign(sums[0]) @ sums[1] + np.sign(sums[1]) @ sums[0])
    return max(float(np.mean(found)) / len(gap), 0.0)


def _spread(gap: Floats, at: Ints, bins: int) -> float:
    """Standard error of ``sum_b n_b / n (+-) mean gap of b``, whatever the signs."""
    number = np.maximum(np.bincount(at, minlength=bins), 1)
    mean = np.bincount(at, weights=gap, minlength=bins) / number
    return float(np.sqrt(((gap - mean[at]) ** 2).sum())) / len(gap)
