"""Records by their confidence: bins that two samples share, and what each bin holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from detectors.methods.labels.labelled import Floats, Ints, Labelled


class Binning(StrEnum):
    """How confidence is cut."""

    EQUAL_MASS = "equal_mass"
    """Each bin holds as many records of both samples together; ties share a bin."""
    EQUAL_WIDTH = "equal_width"
    """[0, 1] in equal parts."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curve:
    """Per bin, (B,): records, mean confidence, share correct and its smoothed sampling variance;
    zeros where a bin is empty. ``bin``: (n,), the bin of each record."""

    records: Floats
    confidence: Floats
    correct: Floats
    variance: Floats
    bin: Ints

    @property
    def weight(self) -> Floats:
        """(B,): share of the records."""
        share: Floats = self.records / max(float(self.records.sum()), 1.0)
        return share

    @property
    def gap(self) -> Floats:
        """(B,): share correct less mean confidence."""
        return self.correct - self.confidence


def curves(
    reference: Labelled, current: Labelled, bins: int, binning: Binning
) -> tuple[Curve, Curve, Floats]:
    """Both samples in the same bins, and the inner edges of the bins.

    Edges come from both samples pooled, so that relabelling records leaves them as they are.
    """
    before, now = reference.confidence, current.confidence
    if binning is Binning.EQUAL_WIDTH:
        edges = np.arange(1, bins) / bins
    else:
        pooled = np.concatenate([before, now])
        edges = np.unique(np.quantile(pooled, np.arange(1, bins) / bins, method="higher"))
    first = _curve(before, reference.correct, edges)
    return first, _curve(now, current.correct, edges), edges


def _curve(confidence: Floats, correct: np.ndarray, edges: Floats) -> Curve:
    at = np.searchsorted(edges, confidence, side="right").astype(np.int64)
    size = len(edges) + 1
    n = np.bincount(at, minlength=size).astype(np.float64)
    safe = np.maximum(n, 1.0)
    mean = np.bincount(at, weights=confidence, minlength=size) / safe
    right = np.bincount(at, weights=correct, minlength=size)
    smooth = (right + mean) / (n + 1.0)
    variance = np.where(n > 0, np.maximum(smooth * (1.0 - smooth), 1e-4) / safe, 0.0)
    return Curve(records=n, confidence=mean, correct=right / safe, variance=variance, bin=at)
