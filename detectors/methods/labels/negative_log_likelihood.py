"""Rise of the negative log-likelihood, with labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Exactness
from detectors.methods.labels.labelled import Labelled
from detectors.methods.labels.mean_change import rise_of_mean
from detectors.methods.labels.of_records import OfRecords
from detectors.methods.two_sample import Found
from detectors.registry import register


@register
class NegativeLogLikelihood(OfRecords):
    """Mean of ``-log`` of the probability that the true class was given: sure mistakes count most.

    Statistic: Welch's t of the per-record losses ``-log max(p_{i, y_i}, floor)`` of (m, K) and
    (n, K) probabilities.

    Effect: mean of the current losses less mean of the reference's, in nats; 95 % interval by
    Welch's t; approximate, and least good where few records carry most of the loss.

    Test: permutation of Welch's t, one-sided (worse), losses rounded to 512 levels: exact for
    exchangeable records.

    Cost: O(N + 512 permutations) with N = m + n; 190 ms at 50 000 records a side.

    Not for: models that give a probability of zero now and then (the floor then decides the
    result; use brier, which is bounded); looking again at the same stream.

    Source: Good, Rational Decisions, Journal of the Royal Statistical Society B, 1952.

    Details: ``reference`` and ``current``, the two means; ``clipped``, the records of (reference,
    current) whose probability was below the floor.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: rise in nats that does not matter.
        floor: smallest probability that is believed; 1e-6 bounds a loss by 13.8 nats.
        permutations: relabellings of the test.
        seed: of the relabellings.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, right):
        ...     labels = np.where(rng.random(n) < right, 0, 1)
        ...     return Labelled(probabilities=np.tile([0.9, 0.1], (n, 1)), labels=labels)
        >>> found = NegativeLogLikelihood().compare(sample(2000, 0.9), sample(1000, 0.8))
        >>> print(found.outcome, round(found.effect.value, 3))
        drifted 0.223
    """

    name: ClassVar[str] = "negative_log_likelihood"
    exactness: ClassVar[Exactness] = Exactness.EXACT
    unit = "nats"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        floor: float = 1e-6,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.floor, self.permutations, self.seed = floor, permutations, seed

    def _found(self, before: Labelled, now: Labelled) -> Found:
        given = [side.probabilities[np.arange(len(side)), side.truth] for side in (before, now)]
        losses = [-np.log(np.clip(p, self.floor, 1.0)) for p in given]
        change = rise_of_mean(losses[0], losses[1], times=self.permutations, seed=self.seed)
        return change.found(
            most=-float(np.log(self.floor)),
            details={
                "reference": float(losses[0].mean()),
                "current": float(losses[1].mean()),
                "clipped": tuple(int((p < self.floor).sum()) for p in given),
            },
        )
