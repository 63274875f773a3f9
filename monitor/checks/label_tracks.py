"""Late labels as e-processes: has the risk grown, is the model still calibrated?

The labels that a tick counts are bet on once, by arrival, in every slice that holds them. The risk
is held to the baseline's in the same cells (upper bound) plus the tolerance of ``accuracy``; the
calibration error to the baseline's plus the tolerance of ``calibration``. A stream that crosses is
judged like one of the change track, with the effect over the labels that the evidence rests on.

Labels come as tables of counts per confidence bin; each label is given its bin's mean confidence,
which leaves the bets fair: ``prod(1 + l (p_i - m)) <= (1 + l (mean p - m))^n``. The store keeps no
label probabilities: where labels are a sample, it must be one at random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from detectors.evidence.calibration import CalibrationEvidence
from detectors.evidence.labels import LabelBatch
from detectors.evidence.risk import RiskEvidence, upper_risk
from detectors.frame import Part, frame_of
from detectors.intervals import newcombe
from detectors.statistics.outcome import OutcomeStatistics, ece, outcome_statistics
from detectors.streams import StreamKey
from monitor.checks.recent import Family
from monitor.settings.schema import CHANGE_SHARE, LABELS_SHARE, RESERVE
from vigil.catalogue import ACCURACY, CALIBRATION
from vigil.types import Effect

SHARE_OF_BUDGET = RESERVE * LABELS_SHARE / CHANGE_SHARE
"""What a page of each of the two tracks asks for is what changes ask for, over this: their part of
the budget, and no reserve, because their guarantee needs no exchangeability."""

_Z = float(norm.ppf(0.975))


@dataclass(frozen=True, kw_only=True, slots=True)
class Crossed:
    """One stream whose evidence passed. ``evidence`` in ticks that count for the page budget;
    ``first_tick``: where its evidence begins."""

    check: str
    stream: StreamKey
    evidence: float
    first_tick: int
    effect: Effect


def label_step(
    risk: RiskEvidence,
    calibration: CalibrationEvidence,
    models: Mapping[Family, Sequence[Part]],
    tolerance: Callable[[StreamKey], float],
    *,
    tick: int,
) -> list[Crossed]:
    """Bet on the labels of one tick, of all models; what crossed starts from nothing again.

    Raises:
        ConflictError: the tick was done.
    """
    streams: list[tuple[str, str, int, OutcomeStatistics, StreamKey]] = []
    for (name, deployment), parts in sorted(models.items()):
        frame = frame_of(parts)
        stats = outcome_statistics(frame)
        if stats is None:
            continue
        for row in np.flatnonzero((stats.records > 0) & (stats.reference_labels > 0)).tolist():
            key = StreamKey(name, deployment, frame.slices[row], ACCURACY.name)
            streams.append((name, deployment, row, stats, key))
    if not streams:
        return []
    accuracy = [key for *_, key in streams]
    calibrated = [
        StreamKey(key.model, key.deployment, key.slice, CALIBRATION.name) for key in accuracy
    ]
    labels = _labels([stats.table[row] for _, _, row, stats, _ in streams])
    expected = np.array([stats.expected[row] for _, _, row, stats, _ in streams])
    noise = np.array([stats.expected_noise[row] for _, _, row, stats, _ in streams])
    reference_ece = np.array([stats.reference_ece[row] for _, _, row, stats, _ in streams])
    lost = 1.0 - expected
    size = expected * lost / np.maximum(noise, 1e-6) ** 2
    size = np.clip(size, 1.0, 1e9)
    room = np.array([tolerance(key) for key in accuracy])
    bound = np.minimum(upper_risk(lost * size, size) + room, 1.0)
    slack = np.array([tolerance(key) for key in calibrated])
    found: list[Crossed] = []
    first = risk.step(accuracy, labels, bound, step=tick)
    for k in np.flatnonzero(first.exceeded).tolist():
        start, number, losses, bounds = risk.since(accuracy[k])
        found.append(
            Crossed(
                check="risk",
                stream=accuracy[k],
                evidence=float(first.evidence[k]) * SHARE_OF_BUDGET,
                first_tick=start,
                effect=_loss(
                    number, losses, bounds - number * (bound[k] - lost[k]), noise[k], room[k]
                ),
            )
        )
    second = calibration.step(calibrated, labels, np.minimum(reference_ece + slack, 1.0), step=tick)
    for k in np.flatnonzero(second.exceeded).tolist():
        start, table = calibration.since(calibrated[k])
        found.append(
            Crossed(
                check="calibration",
                stream=calibrated[k],
                evidence=float(second.evidence[k]) * SHARE_OF_BUDGET,
                first_tick=start,
                effect=_rise(table, reference_ece[k], slack[k]),
            )
        )
    risk.reset(one.stream for one in found if one.check == "risk")
    calibration.reset(one.stream for one in found if one.check == "calibration")
    return found


def _labels(tables: Sequence[NDArray[np.float64]]) -> LabelBatch:
    """One row per label, its confidence that of its bin."""
    streams, confidences, losses = [], [], []
    for k, table in enumerate(tables):
        for number, confidence, correct in table[table[:, 0] > 0].tolist():
            n, right = round(number), round(correct)
            streams.append(np.full(n, k))
            confidences.append(np.full(n, confidence / number))
            losses.append(np.concatenate([np.zeros(right), np.ones(n - right)]))
    loss = np.concatenate(losses)
    return LabelBatch(
        stream=np.concatenate(streams).astype(np.int64),
        confidence=np.concatenate(confidences),
        loss=loss,
        share=np.ones(len(loss)),
    )


def _loss(
    number: float, losses: float, expected_losses: float, noise: float, tolerance: float
) -> Effect:
    """Loss of accuracy since the evidence began, Newcombe's interval."""
    n = max(number, 1.0)
    expected = np.array([1.0 - expected_losses / n])
    right = number - losses
    low, high = newcombe(expected, np.array([noise]), np.array([right]), np.array([n]))
    return Effect(
        value=float(expected[0] - right / n),
        low=float(low[0]),
        high=float(high[0]),
        tolerance=float(tolerance),
        unit="loss of accuracy",
        records=int(number),
    )


def _rise(table: NDArray[np.float64], reference: float, tolerance: float) -> Effect:
    """Rise of ECE since the evidence began, normal approximation."""
    value, bias, error = (float(column[0]) for column in ece(table[None]))
    rise = value - reference
    return Effect(
        value=rise - bias,
        low=rise - bias - _Z * error,
        high=rise + _Z * error,
        tolerance=float(tolerance),
        unit="rise of ECE",
        records=int(table[:, 0].sum()),
    )
