"""Categories: chi-square and total variation against a stratified reference.

With O_k seen and E_k expected, ``X = sum_k (O_k - E_k)^2 / max(E_k, 1/2)``. Its mean under no drift
is known exactly, ``sum_k V_k / max(E_k, 1/2)`` with V_k the variance of O_k, reference included,
and the score is ``(X - mean) / n``: zero under no drift, and as large for many records as for few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.frame import Frame
from detectors.reference import Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CategoryStatistics:
    """Per slice, (slices,). ``score``, ``noise``: of chi-square over n.

    ``variation`` is the total variation distance ``1/2 sum_k |O_k - E_k| / n``, ``variation_bias``
    its expectation under no drift.
    """

    records: Floats
    score: Floats
    noise: Floats
    variation: Floats
    variation_bias: Floats
    reference_records: Floats


def category_statistics(frame: Frame, *, whole: bool) -> CategoryStatistics:
    """Predicted classes of every slice.

    Args:
        whole: judge all cells against the whole baseline, instead of known cells against their own.
    """
    k = max(piece.part.summary.layout.classes for piece in frame.pieces) + 1
    shape = (len(frame.slices), k)
    difference, expected, variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    records, against = np.zeros(shape[0]), np.zeros(shape[0])
    for piece in frame.pieces:
        if not piece.reference.has_classes:
            continue
        tables = piece.reference.whole if whole else piece.tables
        weights = piece.of if whole else piece.known * (tables.class_records > 0)
        seen = piece.part.summary.classes.astype(np.float64)
        n = seen.sum(axis=1)
        size = np.maximum(tables.class_records, 1.0)
        share = np.broadcast_to(tables.classes, seen.shape)
        smooth = (share * size[:, None] + 0.5) / (size[:, None] + 0.5 * share.shape[1])
        columns = _columns(seen.shape[1], k)
        difference[:, columns] += weights @ (seen - n[:, None] * share)
        expected[:, columns] += weights @ (n[:, None] * smooth)
        own = n * (1.0 + n / size)
        variance[:, columns] += weights @ (own[:, None] * smooth * (1.0 - smooth))
        records += weights @ n
        against += weights @ (n**2 / size)
    total = np.maximum(records, 1.0)
    floor = np.maximum(expected, 0.5)
    ratio = variance / floor
    statistic = (difference**2 / floor).sum(axis=1)
    return CategoryStatistics(
        records=records,
        score=(statistic - ratio.sum(axis=1)) / total,
        noise=np.sqrt(2.0 * (ratio**2).sum(axis=1) + 1e-6) / total,
        variation=0.5 * np.abs(difference).sum(axis=1) / total,
        variation_bias=0.5 * np.sqrt(2.0 / np.pi * variance).sum(axis=1) / total,
        reference_records=np.where(against > 0, total**2 / np.maximum(against, 1e-12), np.inf),
    )


def _columns(have: int, want: int) -> list[int]:
    """Where the classes of a narrower version go; its last column is any other class."""
    return [*range(have - 1), want - 1]
