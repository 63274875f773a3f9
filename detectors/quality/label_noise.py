"""Labels that may be wrong: what the model says so surely that the label is the odd one out.

Confident learning: the threshold of class j is the mean of p_j over the records labelled j. A
record labelled i is a candidate where another class j has ``p_j >= t_j`` and is the likeliest of
those. Candidates are ranked by ``p_i - p_j``, the most suspicious first.

*When not to use it.* Where the model itself is surely wrong, as on a new site: then the candidates
are its errors, and the labels are right. It sorts what a person looks at; it corrects nothing.

Source: Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from detectors.methods.labels.labelled import Labelled


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """Record ``row`` is labelled ``label``; the model says ``suggested``. ``margin`` below 0."""

    row: int
    label: int
    suggested: int
    margin: float


def noise_candidates(
    probabilities: ArrayLike, labels: ArrayLike, *, least: int = 5
) -> list[Candidate]:
    """The most suspicious labels of (n, K) probabilities with (n,) labels first.

    Args:
        probabilities: rows that are not finite are left out.
        labels: 0..K-1, or -1 where none is known.
        least: a class needs so many labelled records, or its threshold says nothing.

    Raises:
        ShapeError: as ``Labelled`` does.
    """
    sample = Labelled(probabilities=probabilities, labels=labels)
    p, truth = sample.probabilities, sample.truth
    known = np.flatnonzero(np.isfinite(p).all(axis=1) & (truth >= 0))
    threshold = np.full(sample.classes, np.inf)
    for kind in range(sample.classes):
        own = known[truth[known] == kind]
        if len(own) >= least:
            threshold[kind] = p[own, kind].mean()
    found = []
    for row in known.tolist():
        sure = np.flatnonzero(p[row] >= threshold)
        if not len(sure):
            continue
        best = int(sure[p[row, sure].argmax()])
        label = int(truth[row])
        margin = float(p[row, label] - p[row, best])
        if best != label and margin < 0:
            found.append(Candidate(row=row, label=label, suggested=best, margin=margin))
    return sorted(found, key=lambda one: (one.margin, one.row))
