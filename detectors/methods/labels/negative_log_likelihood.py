"""Rise of the negative log-likelihood, with labels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from detectors.detector import ALPHA, Comparison, Exactness, Takes, conclude, no_data
from detectors.methods.labels.labelled import Labelled, usable_pair
from detectors.methods.labels.mean_change import rise_of_mean
from detectors.registry import register
from vigil.types import Effect

UNIT = "nats"


@register
class NegativeLogLikelihood:
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
    takes: ClassVar[Takes] = Takes.LABELLED
    exactness: ClassVar[Exactness] = Exactness.EXACT

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.05,
        floor: float = 1e-6,
        permutations: int = 999,
        seed: int = 0,
    ) -> None:
        self.alpha, self.tolerance, self.floor = alpha, tolerance, floor
        self.permutations, self.seed = permutations, seed

    def compare(self, reference: Labelled, current: Labelled) -> Comparison:
        """Compare m labelled records with n.

        Details: ``reference`` and ``current``, the two means; ``clipped``, the records of
        (reference, current) whose probability was below the floor.

        Raises:
            ShapeError: labels are missing, or the classes differ.
        """
        before, now, lost = usable_pair(reference, current)
        if not len(before) or not len(now):
            return no_data(
                self.name, unit=UNIT, tolerance=self.tolerance, alpha=self.alpha, left_out=lost
            )
        given = [side.probabilities[np.arange(len(side)), side.truth] for side in (before, now)]
        losses = [-np.log(np.clip(p, self.floor, 1.0)) for p in given]
        change = rise_of_mean(losses[0], losses[1], times=self.permutations, seed=self.seed)
        most = -float(np.log(self.floor))
        effect = Effect(
            value=change.value,
            low=max(change.low, -most),
            high=min(change.high, most),
            tolerance=self.tolerance,
            unit=UNIT,
            records=len(now),
        )
        details = {
            "reference": float(losses[0].mean()),
            "current": float(losses[1].mean()),
            "clipped": tuple(int((p < self.floor).sum()) for p in given),
        }
        return conclude(
            self.name,
            effect,
            statistic=change.statistic,
            p_value=change.p_value,
            alpha=self.alpha,
            left_out=lost,
            details=details,
        )
