"""Categories: chi-square and total variation against a stratified reference; the class that lost
most.

With O_k seen and E_k expected, ``X = sum_k (O_k - E_k)^2 / max(E_k, 1/2)``. Its mean under no drift
is known exactly, ``sum_k V_k / max(E_k, 1/2)`` with V_k the variance of O_k, reference included,
and the score is ``(X - mean) / n``: zero under no drift, and as large for many records as for few.

A class that is predicted no more moves X by no more than a season does. On the root scale it
stands out: ``D = max_k (sqrt(E_k / n) - sqrt(O_k / n))``, over the K classes with a share of 1 %
and four expected records at least. Each term's sampling deviation is ``sqrt(1 / n + 1 / m) / 2``
with m records of reference, whatever its share; the score is D less the expectation of the largest
of K such normal terms.
*Approximate*: the terms are neither normal nor independent, and what is left is the stream's usual
location. Source: Freeman & Tukey, Transformations Related to the Angular and the Square Root, 1950.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from detectors.frame import Frame
from detectors.reference import Floats

LEAST_SHARE, LEAST_EXPECTED = 0.01, 4.0
"""Classes that are rarer, or of which fewer records are expected, come and go."""
LARGEST_SPREAD = 0.6
"""Standard deviation of the largest of K normal terms over theirs: 0.8 of two, 0.5 of thirty."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Loss:
    """The class that lost most, (slices,): ``which`` (the last: any other), its ``score``, of which
    ``seen`` records came where ``expected`` were. ``records`` are those of all classes; NaN, -1 and
    0 where fewer than two classes are frequent enough."""

    score: Floats
    noise: Floats
    which: NDArray[np.int64]
    seen: Floats
    expected: Floats
    records: Floats


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
    loss: Loss


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
    against = np.where(against > 0, total**2 / np.maximum(against, 1e-12), np.inf)
    return CategoryStatistics(
        loss=largest_loss(np.maximum(expected + difference, 0.0), expected, records, against),
        records=records,
        score=(statistic - ratio.sum(axis=1)) / total,
        noise=np.sqrt(2.0 * (ratio**2).sum(axis=1) + 1e-6) / total,
        variation=0.5 * np.abs(difference).sum(axis=1) / total,
        variation_bias=0.5 * np.sqrt(2.0 / np.pi * variance).sum(axis=1) / total,
        reference_records=against,
    )


def largest_loss(
    seen: Floats, expected: Floats, records: Floats, reference_records: Floats
) -> Loss:
    """The class that lost most of each slice.

    Args:
        seen, expected: (slices, classes) records; ``expected`` above 0 where a class is known.
        records, reference_records: (slices,) of all classes, and what the reference counts for.
    """
    total = np.maximum(records, 1.0)
    usual = expected >= np.maximum(LEAST_SHARE * total, LEAST_EXPECTED)[:, None]
    drop = np.sqrt(expected / total[:, None]) - np.sqrt(seen / total[:, None])
    drop = np.where(usual, drop, -1.0)
    most = drop.argmax(axis=1)
    rows, k = np.arange(len(most)), usual.sum(axis=1)
    deviation = 0.5 * np.sqrt(1.0 / total + 1.0 / reference_records)
    found = k > 1
    # Blom's approximation of the expected largest of k normal values.
    largest = norm.ppf((np.maximum(k, 1) - 0.375) / (np.maximum(k, 1) + 0.25))
    return Loss(
        score=np.where(found, drop[rows, most] - largest * deviation, np.nan),
        noise=LARGEST_SPREAD * deviation,
        which=np.where(found, most, -1),
        seen=np.where(found, seen[rows, most], np.nan),
        expected=np.where(found, expected[rows, most], np.nan),
        records=np.where(found, records, 0.0),
    )


def _columns(have: int, want: int) -> list[int]:
    """Where the classes of a narrower version go; its last column is any other class."""
    return [*range(have - 1), want - 1]
