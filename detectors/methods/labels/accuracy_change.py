"""Loss of accuracy, with labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy import stats

from detectors.detector import ALPHA, Exactness
from detectors.intervals import wilson
from detectors.methods.labels.labelled import Floats, Labelled
from detectors.methods.labels.of_records import OfRecords
from detectors.methods.two_sample import Found, Size
from detectors.registry import register


@register
class AccuracyChange(OfRecords):
    """Accuracy of the reference less accuracy of the current sample.

    Statistic: ``k_r / m - k_c / n``, where k counts the records whose most probable class is the
    true one, of m reference and n current records.

    Effect: the same, a share from -1 to 1, positive where the model got worse; 95 % interval by
    Newcombe's method 10 (two Wilson intervals, combined).

    Test: Fisher's exact test, one-sided (worse): exact for exchangeable records at any size; on the
    safe side, since counts are discrete.

    Cost: O(N K), N = m + n; 50 ms at 50 000 records a side and 10 classes.

    Not for: labels sampled by the model's own confidence (weight them, or use the risk e-process);
    classes of very unequal worth; looking again at the same stream as labels arrive, which is what
    detectors.evidence is for. Records of one scene or one burst are not independent: thin them
    first.

    Source: Newcombe, Interval Estimation for the Difference between Independent Proportions,
    Statistics in Medicine, 1998; Fisher, Statistical Methods for Research Workers, 1934.

    Details: ``reference`` and ``current``, the two accuracies.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: loss of accuracy that does not matter.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, right):
        ...     labels = np.where(rng.random(n) < right, 0, 1)
        ...     return Labelled(probabilities=np.tile([0.9, 0.1], (n, 1)), labels=labels)
        >>> found = AccuracyChange().compare(sample(2000, 0.9), sample(1000, 0.8))
        >>> print(found.outcome, round(found.effect.value, 3))
        drifted 0.101
    """

    name: ClassVar[str] = "accuracy_change"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "loss of accuracy"

    def __init__(self, *, alpha: float = ALPHA, tolerance: float = 0.02) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)

    def _found(self, before: Labelled, now: Labelled) -> Found:
        m, n = len(before), len(now)
        right = np.array([before.correct.sum(), now.correct.sum()], dtype=np.float64)
        trials = np.array([m, n], dtype=np.float64)
        size = difference_of_shares(right, trials)
        # Many right in the reference, given all margins, speaks for a loss.
        p_value = stats.hypergeom.sf(right[0] - 1, m + n, int(right.sum()), m)
        return Found(
            size=size,
            statistic=size.value,
            p_value=float(np.clip(p_value, 0.0, 1.0)),
            details={"reference": float(right[0] / m), "current": float(right[1] / n)},
        )


def difference_of_shares(successes: Floats, trials: Floats) -> Size:
    """First share less second, with Newcombe's 95 % interval; ``trials`` > 0 need not be whole."""
    share = successes / trials
    low, high = wilson(successes, trials)
    value = float(share[0] - share[1])
    below = float(np.hypot(share[0] - low[0], high[1] - share[1]))
    above = float(np.hypot(high[0] - share[0], share[1] - low[1]))
    return Size(value, value - below, value + above)
