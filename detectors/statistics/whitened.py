"""Embeddings: the squared distance of a window's mean features, whitened by the baseline.

With ``A = Lambda^-1/2 V'`` (k, F), of the leading eigenvectors V and eigenvalues Lambda of the
covariance of the features *within* the baseline's cells, and d the difference of the sums of
features seen and expected, ::

    (|A d|^2 - bias) / (k n^2),    bias = spread sum_c n_c (1 + n_c / N_c)

is unbiased where the cells' covariances are alike: spread is the trace of ``A Sigma A'``, k within
cells and more where cells are judged against the whole baseline. Over k, as MMD^2, it is about 1
where all records are one. MMD^2 weighs a direction by its variance; this weighs k directions alike.
So small shifts off the main axes, clusters and changes of shape are seen sooner, and shifts along
the main axes later (docs/decisions/0008).

Versions have their own whitening; their distances are
averaged by records.

Source: Hotelling, The Generalization of Student's Ratio, Annals of Mathematical Statistics, 1931.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.frame import Frame
from detectors.reference import Floats
from vigil.windows.summary import FEATURE_UNIT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class WhitenedStatistics:
    """Per slice, (slices,). ``score``: unbiased squared distance over k, ``noise``: its standard
    deviation under no drift."""

    records: Floats
    score: Floats
    noise: Floats


def whitened_statistics(frame: Frame, *, whole: bool) -> WhitenedStatistics:
    """Embeddings of every slice; no records where a baseline keeps too few whole embeddings.

    Args:
        whole: judge all cells against the whole baseline, instead of known cells against their own.
    """
    size = len(frame.slices)
    records, score, noise = np.zeros(size), np.zeros(size), np.zeros(size)
    for piece in frame.pieces:
        whitening = piece.reference.feature_whitening
        if whitening is None:
            continue
        tables = piece.reference.whole if whole else piece.tables
        weights = piece.of if whole else piece.known * (tables.embedded > 0)
        sums = piece.part.summary.features / FEATURE_UNIT
        n = piece.part.summary.embedded.astype(np.float64)
        d = (weights @ (sums - n[:, None] * tables.feature_mean)) @ whitening.matrix.T
        trace, square = whitening.whole if whole else whitening.within
        effective = weights @ (n * (1.0 + n / np.maximum(tables.embedded, 1.0)))
        total = weights @ n
        safe = np.maximum(total, 1.0)
        k = len(whitening.matrix)
        records += total
        score += ((d**2).sum(axis=1) - trace * effective) / (k * safe)
        noise += 2.0 * square * effective**2 / (k * safe) ** 2
    safe = np.maximum(records, 1.0)
    return WhitenedStatistics(
        records=records, score=score / safe, noise=np.sqrt(noise + 1e-12) / safe
    )
