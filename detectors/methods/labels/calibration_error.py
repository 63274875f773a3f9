"""Rise of the expected calibration error, with labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.stats import norm

from detectors.detector import ALPHA, Exactness
from detectors.methods.labels.confidence_bins import Binning, Curve, curves
from detectors.methods.labels.labelled import Floats, Labelled
from detectors.methods.labels.of_records import OfRecords
from detectors.methods.resampling import monte_carlo_p, relabelled
from detectors.methods.two_sample import Found, Size
from detectors.registry import register

GRID = 128
_Z = 1.959964


@register
class CalibrationError(OfRecords):
    """Expected calibration error of the top label: how far confidence is from accuracy.

    Statistic: rise of ``ECE = sum_b n_b / n |accuracy_b - mean confidence_b|`` over B bins of
    confidence, from (m, K) to (n, K) probabilities with labels.

    Effect: rise of the debiased ECE, -1 to 1. A perfectly calibrated model has an ECE above zero in
    any finite sample; each bin's gap g with standard error s is freed of its folded-normal bias
    ``E|N(|g|, s)| - |g|``; of a calibrated model, about half of the bias remains (0.02 at 800
    records in 15 bins). 95 % interval: normal error of both sides, widened by the bias that is
    still possible for gaps within two standard errors of those seen; approximate and wide: 0.1 to
    either side at 800 and 500 records, 0.012 at 50 000 a side.

    Test: permutation of records inside the bins, one-sided (worse), gaps rounded to 1/128: exact
    for exchangeable records; in large samples also where only the confidences moved, and each is
    as right as before.

    Cost: O(N K + cells permutations), at most 256 cells a bin; 180 ms at 50 000 records a side and
    10 classes.

    Not for: fewer than some 500 labels (the interval is wide); probabilities of all classes (this
    sees the top label; brier sees all); a model whose accuracy fell while its confidence fell with
    it, which is calibrated and worse: use accuracy_change.

    Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning, AAAI 2015; Kumar, Liang and Ma, Verified Uncertainty Calibration, NeurIPS 2019
    (debiasing).

    Details: ``reference`` and ``current``, each with ``ece`` (binned), ``debiased`` and ``squared``
    (the unbiased squared calibration error of Kumar et al., may be below zero).

    Args:
        alpha: false-alarm rate of the test.
        tolerance: rise that does not matter.
        bins: B.
        binning: ``equal_mass`` (of both samples pooled) or ``equal_width``.
        permutations: relabellings of the test.
        seed: of the relabellings.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, gap):
        ...     p = rng.uniform(0.6, 1.0, n)
        ...     labels = np.where(rng.random(n) < p - gap, 0, 1)
        ...     return Labelled(probabilities=np.stack([p, 1 - p], axis=1), labels=labels)
        >>> found = CalibrationError().compare(sample(4000, 0.0), sample(4000, 0.1))
        >>> print(found.outcome, round(found.effect.value, 2))
        drifted 0.1
    """

    name: ClassVar[str] = "calibration_error"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "rise of ECE"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.02,
        bins: int = 15,
        binning: Binning | str = Binning.EQUAL_MASS,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.bins, self.binning = bins, Binning(binning)
        self.permutations, self.seed = permutations, seed

    def _found(self, before: Labelled, now: Labelled) -> Found:
        first, second, _ = curves(before, now, self.bins, self.binning)
        seen = _plain(second) - _plain(first)
        margin = _Z * np.hypot(_error(first), _error(second))
        most = [
            _bias(one, np.maximum(np.abs(one.gap) - 2 * _spread(one), 0.0))
            for one in (first, second)
        ]
        value = debiased_ece(second) - debiased_ece(first)
        return Found(
            size=Size(
                value,
                low=max(min(seen - most[1] - margin, value), -1.0),
                high=min(max(seen + most[0] + margin, value), 1.0),
            ),
            statistic=seen,
            p_value=self._p_value(before, now, first, second),
            details={"reference": _figures(first), "current": _figures(second)},
        )

    def _p_value(self, before: Labelled, now: Labelled, first: Curve, second: Curve) -> float:
        rng = np.random.default_rng(self.seed)
        gaps = [np.rint((s.correct - s.confidence) * GRID).astype(np.int64) for s in (before, now)]
        m, n = len(before), len(now)
        seen, drawn = 0.0, np.zeros(self.permutations)
        for b in range(len(first.records)):
            sides = [gaps[0][first.bin == b], gaps[1][second.bin == b]]
            counts = [np.bincount(side + GRID, minlength=2 * GRID + 1) for side in sides]
            used = np.flatnonzero(counts[0] + counts[1])
            levels = (used - GRID) / GRID
            total = float((counts[0] + counts[1])[used] @ levels)
            of_first = float(counts[0][used] @ levels)
            seen += abs(total - of_first) / n - abs(of_first) / m
            if not len(sides[0]) or not len(sides[1]):
                drawn += abs(total - of_first) / n - abs(of_first) / m
                continue
            sums = relabelled(
                lambda a, _, levels=levels: a @ levels,  # type: ignore[misc]
                counts[0][used],
                counts[1][used],
                self.permutations,
                rng,
            )
            drawn += np.abs(total - sums) / n - np.abs(sums) / m
        return monte_carlo_p(seen, drawn)


def debiased_ece(curve: Curve) -> float:
    """The binned error less each bin's folded-normal bias."""
    return _plain(curve) - _bias(curve, np.abs(curve.gap))


def _figures(curve: Curve) -> dict[str, float]:
    unbiased = curve.gap**2 - curve.correct * (1.0 - curve.correct) / np.maximum(
        curve.records - 1.0, 1.0
    )
    return {
        "ece": _plain(curve),
        "debiased": debiased_ece(curve),
        "squared": float(curve.weight @ unbiased),
    }


def _plain(curve: Curve) -> float:
    return float(curve.weight @ np.abs(curve.gap))


def _spread(curve: Curve) -> Floats:
    root: Floats = np.sqrt(curve.variance)
    return root


def _error(curve: Curve) -> float:
    return float(np.sqrt(curve.weight**2 @ curve.variance))


def _bias(curve: Curve, size: Floats) -> float:
    """``sum_b w_b (E|N(size_b, s_b)| - size_b)``."""
    s = np.maximum(_spread(curve), 1e-12)
    ratio = size / s
    folded = 2.0 * (s * norm.pdf(ratio) - size * norm.sf(ratio))
    return float(curve.weight @ np.where(curve.records > 0, folded, 0.0))
