"""Is a model's risk (error rate, or any loss in [0, 1]) still what it was, plus a tolerance?

The null hypothesis: given the past, the mean loss is at most ``m = upper + tolerance``, upper the
Clopper-Pearson bound (1 - delta) of the baseline's risk. Per label the arms pay ::

    1 + lambda (loss - m) (least_share / pi),     lambda = (q - m) / (m (1 - m))

with q beyond m by 0.1, 0.3, 0.7 and 1.5 in log odds and pi the probability with which the
prediction got a label: a Bernoulli bet for pi = 1. The order inside a step does not matter.

**Guarantee.** With probability 1 - delta over the baseline: expected false crossings <= steps / A
(a step is one in which labels arrived), whatever the dependence between labels, as long as the
conditional mean stays at or below m. Labels are indexed by arrival, not by prediction.
``risk_e_value`` is the plain product from one start; crossing 1 / alpha at any time has
probability <= alpha.

**When not to use it.** Where being wrong changes when, or whether, a label comes: state pi then.

Source: Podkopaev and Ramdas, Tracking the risk of a deployed model and detecting harmful
distribution shifts, 2022. Cost: O(labels x 4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, logsumexp
from scipy.stats import beta

from detectors.evidence.arms import Arms, known
from detectors.evidence.labels import LabelBatch, LabelResult
from detectors.evidence.track import Track, shares_of
from detectors.streams import StreamKey
from vigil.errors import ShapeError

Floats = NDArray[np.float64]

DELTA = 0.01
MOVES = (0.1, 0.3, 0.7, 1.5)
_EDGE = 1e-6


def upper_risk(errors: ArrayLike, labels: ArrayLike, *, delta: float = DELTA) -> Floats:
    """Clopper-Pearson upper bound of a risk, at level 1 - delta; 1 where there are no labels."""
    wrong, n = np.asarray(errors, np.float64), np.asarray(labels, np.float64)
    with np.errstate(invalid="ignore"):
        found = beta.isf(delta, wrong + 1.0, np.maximum(n - wrong, 1e-9))
    return np.where(wrong >= n, 1.0, found)


class RiskEvidence(Track):
    """Risk of many streams.

    Args:
        threshold: A, in steps with labels.
        least_share: the smallest probability with which a prediction gets a label.
    """

    what = "risk"
    kept = ("least_share",)

    def __init__(
        self, threshold: float, *, least_share: float = 1.0, max_streams: int = 50_000
    ) -> None:
        if not 0 < least_share <= 1:
            raise ValueError(f"expected 0 < least_share <= 1, found {least_share}")
        self.least_share = least_share
        self._arms = Arms(
            self.what,
            prior=np.full(len(MOVES), 1.0 / len(MOVES)),
            threshold=threshold,
            columns={"since": ((4,), np.float64, 0.0)},
            max_streams=max_streams,
        )

    def step(
        self, streams: Sequence[StreamKey], labels: LabelBatch, bound: ArrayLike, *, step: int
    ) -> LabelResult:
        """The labels that arrived in one step.

        Args:
            streams: N, each once. labels: ``labels.stream`` points into them.
            bound: (N,), m of each stream; streams with m >= 1 can't be judged.

        Raises:
            ConflictError: the step was done. ValueError: a share below ``least_share``.
        """
        arms = self._arms
        labels.check(len(streams), self.least_share)
        arms.begin(step)
        located = arms.rows(streams)
        m = np.broadcast_to(np.asarray(bound, np.float64), (len(streams),))
        log_paid = log_payoffs(labels, m, len(streams), self.least_share)
        weight = self.least_share / labels.share
        sums = [
            np.bincount(labels.stream, weights=weight * factor, minlength=len(streams))
            for factor in (np.ones(len(weight)), labels.loss, m[labels.stream])
        ]
        number = np.bincount(labels.stream, minlength=len(streams))
        use = (located >= 0) & (number > 0) & (m < 1.0)
        omega = shares_of(streams, use)
        rows = located[use]
        fresh = rows[arms["evidence"][rows].sum(axis=1) <= omega]
        arms["since"][fresh] = (float(step), 0.0, 0.0, 0.0)
        arms["since"][rows, 1:] += np.stack(sums, axis=1)[use]
        evidence = arms.bet(rows, log_paid[use], omega)
        found = known(streams, np.where(use, located, -1), evidence)
        return LabelResult(
            streams=tuple(streams),
            evidence=found,
            exceeded=found >= arms.threshold,
            labels=number.astype(np.int64),
        )

    def since(self, stream: StreamKey) -> tuple[int, float, float, float]:
        """What the evidence rests on: its first step, and since then the weighted number of labels,
        their losses, and the sum of their bounds."""
        rows = self._arms.find([stream])
        if len(rows) == 0:
            return self.last_step or 0, 0.0, 0.0, 0.0
        first, number, losses, bounds = self._arms["since"][rows[0]].tolist()
        return int(first), number, losses, bounds

    def forget(self, streams: Iterable[StreamKey]) -> None:
        self._arms.forget(streams)


def risk_e_value(
    loss: ArrayLike, bound: float, *, share: ArrayLike = 1.0, least_share: float = 1.0
) -> float:
    """log e-value of all labels so far against ``mean loss <= bound``.

    Raises:
        ShapeError: loss is not (n,). ValueError: a loss outside [0, 1], or a share too small.
    """
    losses = np.asarray(loss, np.float64)
    if losses.ndim != 1:
        raise ShapeError("loss", expected="(n,)", found=str(losses.shape))
    labels = LabelBatch(
        stream=np.zeros(len(losses), np.int64),
        confidence=np.zeros(len(losses)),
        loss=losses,
        share=np.broadcast_to(np.asarray(share, np.float64), losses.shape),
    )
    labels.check(1, least_share)
    if not bound < 1 or len(losses) == 0:
        return 0.0
    log_paid = log_payoffs(labels, np.array([bound]), 1, least_share)
    return float(logsumexp(log_paid[0]) - np.log(len(MOVES)))


def log_payoffs(labels: LabelBatch, bound: Floats, streams: int, least_share: float) -> Floats:
    """log of each arm's product over the step's labels, (N, arms)."""
    m = np.clip(bound, _EDGE, 1.0 - _EDGE)
    at = m[labels.stream]
    out = np.zeros((streams, len(MOVES)))
    for k, move in enumerate(MOVES):
        size = (expit(logit(at) + move) - at) / (at * (1.0 - at)) * least_share / labels.share
        np.add.at(out[:, k], labels.stream, np.log1p(size * (labels.loss - at)))
    return out
