"""Accuracy without labels: calibrated confidence (CBPE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import isotonic_regression

from detectors.detector import ALPHA
from detectors.methods.labels.accuracy_estimate import AccuracyEstimate, estimated_loss
from detectors.methods.labels.labelled import Floats, Ints, Labelled
from detectors.methods.two_sample import Found
from detectors.registry import register

CELLS = 100


@register
class ConfidenceBasedAccuracy(AccuracyEstimate):
    """Confidence-based performance estimation: what the calibrated confidence promises.

    Statistic: the effect divided by its standard error. g maps confidence to accuracy: isotonic
    regression on the (m, K) reference with labels, over 100 cells of equal mass, linear between
    them.

    Effect: estimated loss of accuracy, ``mean g(reference) - mean g(current)``, -1 to 1, of n
    current records without labels; 95 % interval: normal, with the bootstrap of the reference (g is
    fitted anew each time) and the variance of g over the current records; approximate.

    Test: one-sided normal test of the loss; approximate.

    Cost: O(N K + resamples 100); 120 ms at 50 000 records a side and 10 classes.

    Not for: proof that a model still works. It is right where accuracy at a given confidence is as
    in the reference (the mix of easy and hard inputs changed), and silently wrong where it is not:
    concept drift, new classes, blur that leaves the model confident, inputs beyond the reference's.
    A signal, not a guarantee; check it with late labels (accuracy_change).

    Source: Guo, Pleiss, Sun and Weinberger, On Calibration of Modern Neural Networks, ICML 2017;
    Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass Probability
    Estimates, KDD 2002 (isotonic calibration); the estimate as in Bialek et al., Estimating Model
    Performance Under Covariate Shift Without Labels, arXiv 2401.08348.

    Details: ``reference``, its accuracy; ``estimate``, of the current records; ``holdout_error``:
    estimate less truth in a random half of the reference, with g from the other half.

    Args:
        alpha: false-alarm rate of the test.
        tolerance: loss of accuracy that does not matter.
        resamples: of the reference.
        seed: of the bootstrap and the held-out half.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> def sample(n, easy):
        ...     p = np.where(rng.random(n) < easy, 0.95, 0.6)
        ...     labels = np.where(rng.random(n) < p, 0, 1)
        ...     return Labelled(probabilities=np.stack([p, 1 - p], axis=1), labels=labels)
        >>> reference, current = sample(5000, 0.8), sample(5000, 0.4)
        >>> unlabelled = Labelled(probabilities=current.probabilities)
        >>> found = ConfidenceBasedAccuracy().compare(reference, unlabelled)
        >>> true = reference.correct.mean() - current.correct.mean()
        >>> print(found.outcome, round(found.effect.value, 2), true.round(2))
        drifted 0.14 0.15
    """

    name: ClassVar[str] = "confidence_based_accuracy"

    def __init__(
        self,
        *,
        alpha: float = ALPHA,
        tolerance: float = 0.03,
        resamples: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__(alpha=alpha, tolerance=tolerance)
        self.resamples, self.seed = resamples, seed

    def _found(self, before: Labelled, now: Labelled) -> Found:
        m, n = len(before), len(now)
        rng = np.random.default_rng(self.seed)
        known, right, asked = before.confidence, before.correct.astype(np.float64), now.confidence
        fitted = _fit(known, right)
        calibrated = _isotonic(fitted.records, fitted.right)
        of_known, of_asked = _shares(fitted.knots, known), _shares(fitted.knots, asked)
        loss = float((of_known - of_asked) @ calibrated)
        drawn = np.empty(self.resamples)
        records = rng.multinomial(m, fitted.records / m, size=self.resamples)
        rights = rng.binomial(records, fitted.right / fitted.records)
        moved = of_known - fitted.records / m - of_asked
        for b in range(self.resamples):
            drawn[b] = (records[b] / m + moved) @ _isotonic(records[b], rights[b])
        spread = np.interp(asked, fitted.knots, calibrated).var() / n
        return estimated_loss(
            loss=loss,
            error=float(np.sqrt(drawn.var(ddof=1) + spread)),
            accuracy=float(right.mean()),
            records=n,
            details={"holdout_error": _holdout(known, right, rng)},
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Cells:
    knots: Floats
    records: Ints
    right: Ints


def _fit(confidence: Floats, right: Floats) -> _Cells:
    edges = np.unique(np.quantile(confidence, np.arange(1, CELLS) / CELLS, method="higher"))
    at = np.searchsorted(edges, confidence, side="right")
    size = len(edges) + 1
    n = np.bincount(at, minlength=size)
    used = n > 0
    mean = np.bincount(at, weights=confidence, minlength=size)[used] / n[used]
    hits = np.rint(np.bincount(at, weights=right, minlength=size)[used]).astype(np.int64)
    return _Cells(knots=mean, records=n[used].astype(np.int64), right=hits)


def _isotonic(records: Ints, right: Ints) -> Floats:
    # A cell that was not drawn weighs next to nothing and follows its neighbours.
    weights = np.maximum(records, 1e-9)
    overall = right.sum() / max(int(records.sum()), 1)
    share = np.where(records > 0, right / np.maximum(records, 1), overall)
    fitted: Floats = isotonic_regression(share, weights=weights).x
    return fitted


def _shares(knots: Floats, confidence: Floats) -> Floats:
    """Weights (J,) with ``shares @ g = mean of g, linear between the knots``."""
    at = np.interp(confidence, knots, np.arange(len(knots)))
    below = np.minimum(at.astype(np.int64), max(len(knots) - 2, 0))
    part = at - below
    size = len(knots) + 1
    total = np.bincount(below, weights=1.0 - part, minlength=size)
    total += np.bincount(below + 1, weights=part, minlength=size)
    shares: Floats = total[: len(knots)] / len(confidence)
    return shares


def _holdout(confidence: Floats, right: Floats, rng: np.random.Generator) -> float:
    if len(confidence) < 2:
        return float("nan")
    order = rng.permutation(len(confidence))
    one, other = order[: len(order) // 2], order[len(order) // 2 :]
    fitted = _fit(confidence[one], right[one])
    calibrated = _isotonic(fitted.records, fitted.right)
    return float(_shares(fitted.knots, confidence[other]) @ calibrated - right[other].mean())
