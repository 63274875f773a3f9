"""Rise of the Brier score, with labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.methods.labels.labelled import Floats, Labelled
from detectors.methods.labels.mean_change import rise_of_mean
from detectors.methods.labels.of_records import OfRecords
from detectors.methods.two_sample import Found
from detectors.registry import register


@register
class Brier(OfRecords):
    """Mean squared error of the class probabilities: accuracy and calibration in one number.

    Statistic: Welch's t of the per-record scores ``b_i = sum_k (p_ik - [y_i = k])^2``, 0 to 2, of
    (m, K) and (n, K) probabilities (for two classes, twice the one-class form).

    Effect: mean of the current scores less mean of the reference's, -2 to 2; 95 % interval by
    Welch's t, cut to that range; approximate.

    Test: permutation of Welch's t, one-sided (worse), scores rounded to 512 levels: exact for
    exchangeable records.

    Cost: O(N K + 512 permutations) with N = m + n; 300 ms at 50 000 records a side and 10 classes.

    Not for: rare classes, which the mean hides; telling a worse ranking from worse calibration
    (read the decomposition in the details, or use calibration_error); looking again at the same
    stream.

    Source: Brier, Verification of Forecasts Expressed in Terms of Probability, Monthly Weather
    Review, 1950; Murphy, A New Vector Partition of the Probability Score, 1973; Stephenson, Coelho
    and Jolliffe, Two Extra Components in the Brier Score Decomposition, 2008.

    Details: ``reference`` and ``current``, each with ``score``, ``reliability`` (smaller is
    better), ``resolution`` (larger is better), ``uncertainty`` (of the labels alone) and
    ``within_bins``: score = reliability - resolution + uncertainty + within_bins.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: rise that does not matter.
        bins: of the decomposition, equal in width, per class.
        permutations: relabellings of the test.
        seed: of the relabellings.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, right):
        ...     labels = np.where(rng.random(n) < right, 0, 1)
        ...     return Labelled(probabilities=np.tile([0.9, 0.1], (n, 1)), labels=labels)
        >>> found = Brier().compare(sample(2000, 0.9), sample(1000, 0.8))
        >>> print(found.outcome, round(found.effect.value, 3))
        drifted 0.162
        >>> print(round(found.details["reference"]["reliability"], 4))
        0.0
    """

    name: ClassVar[str] = "brier"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "rise of Brier score"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.02,
        bins: int = 15,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.bins, self.permutations, self.seed = bins, permutations, seed

    def _found(self, before: Labelled, now: Labelled) -> Found:
        scores = brier_scores(before), brier_scores(now)
        change = rise_of_mean(*scores, times=self.permutations, seed=self.seed)
        return change.found(
            most=2.0,
            details={
                "reference": decomposition(before, self.bins),
                "current": decomposition(now, self.bins),
            },
        )


def brier_scores(sample: Labelled) -> Floats:
    """(n,): ``sum_k p_k^2 - 2 p_y + 1`` of each record."""
    p = sample.probabilities
    at_truth = p[np.arange(len(p)), sample.truth]
    scores: Floats = np.einsum("ik,ik->i", p, p) - 2.0 * at_truth + 1.0
    return scores


def decomposition(sample: Labelled, bins: int) -> dict[str, float]:
    """Murphy's three terms, summed over the classes, and what the binning leaves inside bins."""
    p, n, classes = sample.probabilities, len(sample), sample.classes
    cell = np.minimum((p * bins).astype(np.int64), bins - 1) + np.arange(classes) * bins
    size = bins * classes
    count = np.bincount(cell.ravel(), minlength=size)
    safe = np.maximum(count, 1)
    forecast = np.bincount(cell.ravel(), weights=p.ravel(), minlength=size) / safe
    hit = np.bincount(cell[np.arange(n), sample.truth], minlength=size) / safe
    base = np.bincount(sample.truth, minlength=classes) / n
    weight = count / n
    score = float(brier_scores(sample).mean())
    reliability = float(weight @ (forecast - hit) ** 2)
    resolution = float(weight @ (hit - np.repeat(base, bins)) ** 2)
    uncertainty = float((base * (1.0 - base)).sum())
    return {
        "score": score,
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": uncertainty,
        "within_bins": score - (reliability - resolution + uncertainty),
    }
