"""Accuracy without labels: the share above a learned threshold (ATC)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import xlogy

from detectors.detector import ALPHA
from detectors.methods.labels.accuracy_estimate import AccuracyEstimate, estimated_loss
from detectors.methods.labels.labelled import Floats, Labelled
from detectors.methods.two_sample import Found
from detectors.registry import register

CELLS = 512
SCORES = ("max_confidence", "negative_entropy")


@register
class AverageThresholdConfidence(AccuracyEstimate):
    """Average thresholded confidence: as many records lie below a threshold as are wrong.

    Statistic: the effect divided by its standard error.

    Effect: estimated loss of accuracy, ``S_n(t) - error``, -1 to 1, where t is the threshold below
    which the reference's share of scores equals its error rate, and S_n(t) the share of n current
    records below it; scores are the largest probability or the negative entropy of (m, K) and
    (n, K) probabilities. Records that tie with t count in part. 95 % interval: normal, by the
    bootstrap of both samples over 512 cells of equal mass; approximate.

    Test: one-sided normal test of the loss; approximate.

    Cost: O(N K + N log N + resamples 512); 230 ms at 50 000 records a side and 10 classes.

    Not for: proof that a model still works: a signal, not a guarantee. It is right where the score
    tells right from wrong (errors lie below t in both samples), and too large where many records
    below t are right: calibrated confidences between 0.6 and 0.9 fool it, and
    confidence_based_accuracy is then better. Silently wrong under concept drift, new classes, and
    where the model is as sure as ever on inputs that it does not know. Where errors are few, t lies
    in the far tail and the estimate is noisy.

    Source: Garg, Balakrishnan, Lipton, Neyshabur and Sedghi, Leveraging Unlabeled Data to Predict
    Out-of-Distribution Performance, ICLR 2022.

    Details: ``reference``, its accuracy; ``estimate``, of the current records; ``threshold``.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: loss of accuracy that does not matter.
        score: ``max_confidence`` or ``negative_entropy``.
        resamples: of both samples.
        seed: of the bootstrap.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, easy):
        ...     p = np.where(rng.random(n) < easy, 0.98, 0.52)
        ...     labels = np.where(rng.random(n) < p, 0, 1)
        ...     return Labelled(probabilities=np.stack([p, 1 - p], axis=1), labels=labels)
        >>> reference, current = sample(5000, 0.8), sample(5000, 0.5)
        >>> unlabelled = Labelled(probabilities=current.probabilities)
        >>> found = AverageThresholdConfidence().compare(reference, unlabelled)
        >>> true = reference.correct.mean() - current.correct.mean()
        >>> print(found.outcome, round(found.effect.value, 2), true.round(2))
        drifted 0.16 0.14
    """

    name: ClassVar[str] = "average_threshold_confidence"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.03,
        score: str = "max_confidence",
        resamples: int = 200,
        seed: int = 0,
    ) -> None:
        if score not in SCORES:
            raise ValueError(f"score: expected one of {', '.join(SCORES)}, found {score!r}")
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.score, self.resamples, self.seed = score, resamples, seed

    def _found(self, before: Labelled, now: Labelled) -> Found:
        known, asked = self._scores(before), self._scores(now)
        wrong = ~before.correct
        loss = _loss(known, asked, float(wrong.mean()))
        return estimated_loss(
            loss=loss,
            error=self._error(known, asked, wrong),
            accuracy=float(before.correct.mean()),
            records=len(now),
            details={"threshold": float(np.quantile(known, wrong.mean()))},
        )

    def _scores(self, sample: Labelled) -> Floats:
        if self.score == "max_confidence":
            return sample.confidence
        p = np.maximum(sample.probabilities, 0.0)
        scores: Floats = xlogy(p, p).sum(axis=1)
        return scores

    def _error(self, known: Floats, asked: Floats, wrong: np.ndarray) -> float:
        rng = np.random.default_rng(self.seed)
        pooled = np.concatenate([known, asked])
        edges = np.unique(np.quantile(pooled, np.arange(1, CELLS) / CELLS, method="higher"))
        size = len(edges) + 1
        cell = np.searchsorted(edges, known, side="right")
        first = np.bincount(cell + size * wrong, minlength=2 * size)
        second = np.bincount(np.searchsorted(edges, asked, side="right"), minlength=size)
        m, n = len(known), len(asked)
        drawn = rng.multinomial(m, first / m, size=self.resamples)
        error = drawn[:, size:].sum(axis=1) / m
        below = np.cumsum(drawn[:, :size] + drawn[:, size:], axis=1) / m
        now = np.cumsum(rng.multinomial(n, second / n, size=self.resamples), axis=1) / n
        losses = [_at(below[b], now[b], error[b]) - error[b] for b in range(self.resamples)]
        return float(np.std(losses, ddof=1))


def _loss(known: Floats, asked: Floats, error: float) -> float:
    levels = np.unique(np.concatenate([known, asked]))
    sides = [np.sort(side) for side in (known, asked)]
    below = [np.searchsorted(side, levels, side="right") / len(side) for side in sides]
    return _at(below[0], below[1], error) - error


def _at(below: Floats, now: Floats, error: float) -> float:
    """The current share below the point where the reference's is ``error``; linear in a cell."""
    steps = np.concatenate([[0.0], below]), np.concatenate([[0.0], now])
    last = np.searchsorted(steps[0], error, side="left")
    if last == 0:
        # No error: what lies below everything the reference holds.
        return float(steps[1][np.searchsorted(steps[0], 0.0, side="right") - 1])
    low, high = steps[0][last - 1], steps[0][last]
    part = (error - low) / (high - low)
    return float(steps[1][last - 1] + part * (steps[1][last] - steps[1][last - 1]))
