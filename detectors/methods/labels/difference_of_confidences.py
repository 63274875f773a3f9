"""Accuracy without labels: the difference of mean confidences (DoC)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA
from detectors.methods.labels.accuracy_estimate import AccuracyEstimate, estimated_loss
from detectors.methods.labels.labelled import Labelled
from detectors.methods.two_sample import Found
from detectors.registry import register


@register
class DifferenceOfConfidences(AccuracyEstimate):
    """Difference of confidences: the model is expected to lose as much accuracy as confidence.

    Statistic: the effect divided by its standard error: Welch's t.

    Effect: estimated loss of accuracy, mean of ``max_k p_ik`` over the (m, K) reference less that
    over the (n, K) current probabilities, -1 to 1; 95 % interval: normal; approximate.

    Test: one-sided normal test; approximate.

    Cost: O(N K); 50 ms at 50 000 records a side and 10 classes.

    Not for: miscalibrated models (an overconfident one loses more accuracy than confidence; use
    confidence_based_accuracy, which calibrates first); concept drift, new classes, unknown inputs
    that leave the model sure of itself. A signal, not a guarantee.

    Source: Guillory, Shankar, Ebrahimi, Darrell and Schmidt, Predicting with Confidence on Unseen
    Distributions, ICCV 2021; here without their regression over known shifts.

    Details: ``reference``, its accuracy; ``estimate``, of the current records; ``confidence``, the
    two means; ``overconfidence`` of the reference: mean confidence less accuracy.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: loss of accuracy that does not matter.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, easy):
        ...     p = np.where(rng.random(n) < easy, 0.95, 0.6)
        ...     labels = np.where(rng.random(n) < p, 0, 1)
        ...     return Labelled(probabilities=np.stack([p, 1 - p], axis=1), labels=labels)
        >>> reference, current = sample(5000, 0.8), sample(5000, 0.4)
        >>> unlabelled = Labelled(probabilities=current.probabilities)
        >>> found = DifferenceOfConfidences().compare(reference, unlabelled)
        >>> true = reference.correct.mean() - current.correct.mean()
        >>> print(found.outcome, round(found.effect.value, 2), true.round(2))
        drifted 0.14 0.15
    """

    name: ClassVar[str] = "difference_of_confidences"

    def __init__(self, *, alpha: float = ALPHA, tolerance: float = 0.03) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)

    def _found(self, before: Labelled, now: Labelled) -> Found:
        m, n = len(before), len(now)
        known, asked = before.confidence, now.confidence
        accuracy = float(before.correct.mean())
        means = float(known.mean()), float(asked.mean())
        return estimated_loss(
            loss=means[0] - means[1],
            error=float(np.sqrt(known.var() / m + asked.var() / n)),
            accuracy=accuracy,
            records=n,
            details={"confidence": means, "overconfidence": means[0] - accuracy},
        )
