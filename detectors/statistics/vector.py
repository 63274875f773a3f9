"""Embeddings: the squared maximum mean discrepancy in random Fourier features.

With z(x) the features of one record, ``|z| = 1``, d the difference of the sums seen and expected,
::

    MMD^2 = (|d|^2 - bias) / n^2,   bias = sum_c n_c (1 - |mu_c|^2) (1 + n_c / N_c)

is unbiased: the variance of one record's features is ``1 - |mu|^2``. Versions have their own
projections; their MMD^2 are averaged by records.

Source: Gretton et al., A Kernel Two-Sample Test, 2012; Rahimi and Recht, 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.frame import Frame
from detectors.reference import Floats
from vigil.windows.summary import FEATURE_UNIT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VectorStatistics:
    """Per slice, (slices,). ``score``: unbiased MMD^2, ``bias``: what was taken off for that,
    ``noise``: its standard deviation under no drift, ``slope``: standard deviation of MMD^2 for
    each unit of MMD where there is drift."""

    records: Floats
    score: Floats
    bias: Floats
    noise: Floats
    slope: Floats


def vector_statistics(frame: Frame, *, whole: bool) -> VectorStatistics:
    """Embeddings of every slice.

    Args:
        whole: judge all cells against the whole baseline, instead of known cells against their own.
    """
    size = len(frame.slices)
    records, score, bias = np.zeros(size), np.zeros(size), np.zeros(size)
    noise, slope = np.zeros(size), np.zeros(size)
    for piece in frame.pieces:
        if not piece.reference.has_embedding:
            continue
        tables = piece.reference.whole if whole else piece.tables
        weights = piece.of if whole else piece.known * (tables.embedded > 0)
        sums = piece.part.summary.features / FEATURE_UNIT
        n = piece.part.summary.embedded.astype(np.float64)
        reference_size = np.maximum(tables.embedded, 1.0)
        d = weights @ (sums - n[:, None] * tables.feature_mean)
        own = n * tables.feature_spread * (1.0 + n / reference_size)
        total = weights @ n
        squared, largest = piece.reference.feature_covariance
        effective = weights @ (n * (1.0 + n / reference_size))
        safe = np.maximum(total, 1.0)
        records += total
        score += ((d**2).sum(axis=1) - weights @ own) / safe
        bias += weights @ own / safe
        noise += 2.0 * squared * effective**2 / safe**2
        slope += 4.0 * largest * effective / safe
    safe = np.maximum(records, 1.0)
    return VectorStatistics(
        records=records,
        score=score / safe,
        bias=bias / safe,
        noise=np.sqrt(noise + 1e-12) / safe,
        slope=np.sqrt(slope / safe),
    )
