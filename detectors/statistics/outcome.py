"""Labels joined to predictions: accuracy and calibration against the baseline's.

Accuracy: the share correct less what the baseline's cells make expected (cells without labels in
the baseline count as the whole of it). Calibration: per confidence bin b the squared gap between
accuracy and
mean confidence, less its sampling variance, weighted by labels: an unbiased squared calibration
error; the baseline's own is subtracted. A baseline without labels leaves both to their own history.

Source: Kumar, Liang and Ma, Verified Uncertainty Calibration, 2019 (debiased estimator).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.frame import Frame
from detectors.reference import Floats
from vigil.windows.summary import CONFIDENCE_BINS, CONFIDENCE_UNIT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OutcomeStatistics:
    """Per slice, (slices,); ``table`` (slices, 15, 3) holds labels, confidence, correct.

    ``reference_labels`` is 0 where no baseline had labels: ``expected`` is then 0.
    """

    records: Floats
    table: Floats
    accuracy: Floats
    expected: Floats
    expected_noise: Floats
    accuracy_noise: Floats
    calibration: Floats
    calibration_noise: Floats
    reference_calibration: Floats
    reference_ece: Floats
    reference_labels: Floats


def outcome_statistics(frame: Frame) -> OutcomeStatistics | None:
    """Accuracy and calibration of every slice; None where no labels came."""
    size = len(frame.slices)
    table = np.zeros((size, CONFIDENCE_BINS, 3))
    expected, variance, reference_variance = np.zeros(size), np.zeros(size), np.zeros(size)
    reference_squared, reference_ece, with_labels = np.zeros(size), np.zeros(size), np.zeros(size)
    for piece in frame.pieces:
        outcomes = piece.part.outcomes
        if outcomes is None or piece.outcomes_of is None or outcomes.total_labels == 0:
            continue
        counts = outcomes.table.astype(np.float64)
        counts[:, :, 1] /= CONFIDENCE_UNIT
        n = counts[:, :, 0].sum(axis=1)
        table += (piece.outcomes_of @ counts.reshape(len(n), -1)).reshape(table.shape)
        whole = piece.reference.outcome_table
        if whole is None:
            variance += piece.outcomes_of @ (n * 0.25)
            continue
        cells = piece.reference.outcome_cells(frame.keys, piece.outcome_cells)
        total = whole.sum(axis=0)
        empty = cells[:, 0] == 0
        cells[empty] = total[[0, 2]]
        share = cells[:, 1] / cells[:, 0]
        smooth = (cells[:, 1] + 1.0) / (cells[:, 0] + 2.0)
        expected += piece.outcomes_of @ (n * share)
        variance += piece.outcomes_of @ (n * smooth * (1.0 - smooth))
        reference_variance += piece.outcomes_of @ (n**2 * smooth * (1.0 - smooth) / cells[:, 0])
        seen = piece.outcomes_of @ n
        reference_squared += seen * squared_calibration(whole[None])[0][0]
        reference_ece += seen * ece(whole[None])[0][0]
        with_labels += seen
    records = table[:, :, 0].sum(axis=1)
    if not records.any():
        return None
    safe = np.maximum(records, 1.0)
    squared, noise = squared_calibration(table)
    return OutcomeStatistics(
        records=records,
        table=table,
        accuracy=table[:, :, 2].sum(axis=1) / safe,
        expected=expected / safe,
        expected_noise=np.sqrt(reference_variance) / safe,
        accuracy_noise=np.sqrt(variance + 0.25) / safe,
        calibration=squared,
        calibration_noise=noise,
        reference_calibration=reference_squared / safe,
        reference_ece=reference_ece / safe,
        reference_labels=with_labels,
    )


def squared_calibration(table: Floats) -> tuple[Floats, Floats]:
    """Debiased squared calibration error of tables (m, 15, 3), and its standard deviation when
    calibrated."""
    n, weight, gap, variance = _bins(table)
    value = (weight * (gap**2 - variance) * (n > 0)).sum(axis=1)
    noise = np.sqrt(2.0 * ((weight * variance) ** 2).sum(axis=1) + 1e-8)
    return value, noise


def ece(table: Floats) -> tuple[Floats, Floats, Floats]:
    """Expected calibration error of tables (m, 15, 3): estimate, its bias when calibrated, standard
    error."""
    _, weight, gap, variance = _bins(table)
    value = (weight * np.abs(gap)).sum(axis=1)
    bias = (weight * np.sqrt(2.0 / np.pi * variance)).sum(axis=1)
    error = np.sqrt((weight**2 * variance).sum(axis=1))
    return value, bias, error


def _bins(table: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    n = table[:, :, 0]
    safe = np.maximum(n, 1.0)
    accuracy, confidence = table[:, :, 2] / safe, table[:, :, 1] / safe
    smooth = (table[:, :, 2] + confidence) / (n + 1.0)
    variance = np.where(n > 0, np.maximum(smooth * (1.0 - smooth), 1e-4) / safe, 0.0)
    weight = n / np.maximum(n.sum(axis=1, keepdims=True), 1.0)
    return n, weight, accuracy - confidence, variance
