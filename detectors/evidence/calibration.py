"""Is a model still calibrated? An e-process on late labels, without debiasing.

Z = y - c in [-1, 1] is correctness less confidence, in bin b of 15. For the null hypothesis that
the binned ECE ``sum_b w_b |E[Z | b]|`` is at most tau, ::

    M_lambda = prod_b 1/2 [ prod (1 + lambda (Z - tau)) + prod (1 + lambda (-Z - tau)) ]

is the average over all signs s of ``prod (1 + lambda (s_b Z - tau))``, of which each factor has
expectation ``1 + lambda (sum_b w_b s_b E[Z | b] - tau) <= 1``. Averaged over the grid of lambda.

**Streams.** Its factor per step is ``prod_b [u_b A_b + (1 - u_b) B_b]``, A and B the step's two
products, u_b the weight that the sign + has earned. With u mixed with 1/2 by ``forget`` per step,
an old lean in a harmless direction is overcome soon; any u known before the step keeps the factor
fair. Injection Shiryaev-Roberts multiplies these factors: expected false crossings <= steps / A,
where a step is one in which labels arrived. ``calibration_e_value`` is the plain product from one
start (forget = 0): crossing 1 / alpha at any time has probability <= alpha.

**Sampled labels.** With label probabilities pi >= ``least_share``, lambda is multiplied by
``least_share / pi``: under the sampling the factor still has expectation <= 1 over all traffic,
and stays positive.

**Assumptions.** Given the past, a label's (confidence, correct) has ECE <= tau. Labels are indexed
by arrival: where the time to a label depends on its being wrong, the first ones are not a fair
sample. **When not to use it:** for fewer than some 500 labels it can't find anything.

Source: Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, 2024;
Arnold, Henzi and Ziegel, Sequentially valid tests for forecast calibration, 2021.
Cost: O(labels x 6 + streams x 6 x 15) per step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from detectors.evidence.arms import Arms, known
from detectors.evidence.labels import LabelBatch, LabelResult
from detectors.evidence.track import Track, shares_of
from detectors.streams import StreamKey
from vigil.errors import ShapeError

Floats = NDArray[np.float64]

LAMBDAS = (0.02, 0.05, 0.1, 0.15, 0.25, 0.4)
BINS = 15
TOLERANCE = 0.02
FORGET = 0.005


class CalibrationEvidence(Track):
    """Calibration of many streams.

    Args:
        threshold: A, in steps with labels.
        least_share: the smallest probability with which a prediction gets a label.
        forget: share of each sign's earned weight that is given back per step.
    """

    what = "calibration"
    kept = ("least_share", "forget")

    def __init__(
        self,
        threshold: float,
        *,
        least_share: float = 1.0,
        forget: float = FORGET,
        max_streams: int = 50_000,
    ) -> None:
        if not 0 < least_share <= 1 or not 0 <= forget < 1:
            raise ValueError(f"expected 0 < least_share <= 1, found {least_share}; forget {forget}")
        self.least_share, self.forget = least_share, forget
        self._arms = Arms(
            self.what,
            prior=np.full(len(LAMBDAS), 1.0 / len(LAMBDAS)),
            threshold=threshold,
            columns={
                "odds": ((len(LAMBDAS), BINS), np.float64, 0.0),
                "since": ((1 + 3 * BINS,), np.float64, 0.0),
            },
            max_streams=max_streams,
        )

    def step(
        self, streams: Sequence[StreamKey], labels: LabelBatch, tolerance: ArrayLike, *, step: int
    ) -> LabelResult:
        """The labels that arrived in one step.

        Args:
            streams: N, each once. labels: ``labels.stream`` points into them.
            tolerance: (N,) tau, in ECE.

        Raises:
            ConflictError: the step was done. ValueError: a share below ``least_share``.
        """
        arms = self._arms
        labels.check(len(streams), self.least_share)
        arms.begin(step)
        located = arms.rows(streams)
        tau = np.broadcast_to(np.asarray(tolerance, np.float64), (len(streams),))
        plus, minus = _products(labels, tau, len(streams), self.least_share)
        number = np.bincount(labels.stream, minlength=len(streams))
        use = (located >= 0) & (number > 0)
        rows = located[use]
        odds = arms["odds"][rows]
        log_paid = _paid(odds, plus[use], minus[use])
        omega = shares_of(streams, use)
        fresh = rows[arms["evidence"][rows].sum(axis=1) <= omega]
        arms["since"][fresh] = 0.0
        arms["since"][fresh, 0] = step
        table = _table(labels, len(streams), self.least_share)[use]
        arms["since"][rows, 1:] += table.reshape(len(rows), 3 * BINS)
        evidence = arms.bet(rows, log_paid, omega)
        arms["odds"][rows] = _mixed(odds + plus[use] - minus[use], self.forget)
        found = known(streams, np.where(use, located, -1), evidence)
        return LabelResult(
            streams=tuple(streams),
            evidence=found,
            exceeded=found >= arms.threshold,
            labels=number.astype(np.int64),
        )

    def since(self, stream: StreamKey) -> tuple[int, Floats]:
        """What the evidence rests on: its first step, and since then per bin the weighted number of
        labels, sum of confidence and number correct, (15, 3)."""
        rows = self._arms.find([stream])
        if len(rows) == 0:
            return self.last_step or 0, np.zeros((BINS, 3))
        kept = self._arms["since"][rows[0]]
        return int(kept[0]), kept[1:].reshape(BINS, 3).copy()

    def forget_streams(self, streams: Iterable[StreamKey]) -> None:
        self._arms.forget(streams)


def calibration_e_value(
    confidence: ArrayLike,
    correct: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
    share: ArrayLike = 1.0,
    least_share: float = 1.0,
) -> float:
    """log M, averaged over lambda, of all labels so far: evidence against ECE <= tolerance.

    Args:
        confidence, correct: (n,); pairs whose confidence is not finite are left out.
        share: (n,) or one: with which probability each prediction got its label.

    Raises:
        ShapeError: of different lengths. ValueError: a share below ``least_share``.
    """
    c, y = np.asarray(confidence, np.float64), np.asarray(correct, np.float64)
    if c.ndim != 1 or y.shape != c.shape:
        raise ShapeError("correct", expected=str(c.shape), found=str(y.shape))
    kept = np.isfinite(c) & np.isfinite(y)
    weights = np.broadcast_to(np.asarray(share, np.float64), c.shape)[kept]
    labels = LabelBatch(
        stream=np.zeros(int(kept.sum()), np.int64), confidence=c[kept], loss=1 - y[kept],
        share=weights,
    )  # fmt: skip
    labels.check(1, least_share)
    plus, minus = _products(labels, np.array([tolerance]), 1, least_share)
    log_paid = _paid(np.zeros((1, len(LAMBDAS), BINS)), plus, minus)
    return float(logsumexp(log_paid[0]) - np.log(len(LAMBDAS)))


def _products(
    labels: LabelBatch, tau: Floats, streams: int, least_share: float
) -> tuple[Floats, Floats]:
    """log of both products of each stream, lambda and bin: (N, lambdas, 15) each."""
    confidence = np.clip(labels.confidence, 0.0, 1.0)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    z = (1.0 - labels.loss) - confidence
    room = tau[labels.stream]
    out = np.zeros((2, streams, len(LAMBDAS), BINS))
    for k, size in enumerate(LAMBDAS):
        scale = size * least_share / labels.share
        np.add.at(out[0, :, k], (labels.stream, bins), np.log1p(scale * (z - room)))
        np.add.at(out[1, :, k], (labels.stream, bins), np.log1p(scale * (-z - room)))
    return out[0], out[1]


def _table(labels: LabelBatch, streams: int, least_share: float) -> Floats:
    confidence = np.clip(labels.confidence, 0.0, 1.0)
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    weight = least_share / labels.share
    out = np.zeros((streams, BINS, 3))
    for k, values in enumerate((np.ones(len(weight)), confidence, 1.0 - labels.loss)):
        np.add.at(out[:, :, k], (labels.stream, bins), weight * values)
    return out


def _paid(odds: Floats, plus: Floats, minus: Floats) -> Floats:
    """log of ``prod_b [u_b A_b + (1 - u_b) B_b]``, (N, lambdas); ``odds`` = logit of u."""
    with_plus = -np.logaddexp(0.0, -odds) + plus
    with_minus = -np.logaddexp(0.0, odds) + minus
    return np.asarray(np.logaddexp(with_plus, with_minus).sum(axis=2))


def _mixed(odds: Floats, forget: float) -> Floats:
    """log odds of ``(1 - forget) u + forget / 2``."""
    if forget == 0.0:
        return odds
    small = np.log(forget / 2.0)
    log_plus = np.logaddexp(np.log1p(-forget) - np.logaddexp(0.0, -odds), small)
    log_minus = np.logaddexp(np.log1p(-forget) - np.logaddexp(0.0, odds), small)
    return np.asarray(log_plus - log_minus)
