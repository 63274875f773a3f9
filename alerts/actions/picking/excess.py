"""How much of the traffic like a record is there because of the drift: its part of the evidence.

With densities p of the baseline and q of today, ``e = max(0, 1 - p/q)`` at the record's value: of
records like it, this share would not be there without the drift. It is estimated for each signal
that drifted, and the largest counts:

* a scalar: counts in 16 bins, edges at the baseline's quantiles;
* the predicted class: counts of classes;
* the embedding: of the 20 nearest neighbours among both samples, weighed so that both count alike
  (the ratio of nearest-neighbour densities).

Counts have half a record added on both sides, so that a bin that the baseline never saw is not
taken for certain.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from alerts.actions.picking.novelty import distances
from vigil.catalogue import (
    EMBEDDING,
    EMBEDDING_WHITENED,
    LOST_CLASS,
    PREDICTED_CLASS,
    base_of,
)
from vigil.measuring.columns import sample_values
from vigil.windows.sample import Sample

BINS = 16
NEIGHBOURS = 20
_AT_ONCE = 512

Floats = NDArray[np.float64]


def excess_of(
    sample: Sample, baseline: Sample, signals: Iterable[str], *, points: Floats, reference: Floats
) -> Floats | None:
    """In [0, 1], (n,); None where none of the signals can be compared.

    Args:
        signals: that drifted, by their names in the catalogue.
        points: scaled embeddings of the sample, (n, d).
        reference: those of the baseline, (m, d).
    """
    if not len(sample) or not len(baseline):
        return None
    found = []
    for name in sorted({base_of(one) for one in signals}):
        if name in (EMBEDDING.name, EMBEDDING_WHITENED.name):
            if len(reference) > NEIGHBOURS and points.shape[1]:
                found.append(_near(points, reference))
        elif name in (PREDICTED_CLASS.name, LOST_CLASS.name):
            found.append(_binned(sample.prediction, baseline.prediction, classes=True))
        else:
            mine, theirs = sample_values(sample, name), sample_values(baseline, name)
            if mine is not None and theirs is not None:
                found.append(_binned(mine, theirs, classes=False))
    return np.max(found, axis=0) if found else None


def _binned(now: NDArray[np.generic], before: NDArray[np.generic], *, classes: bool) -> Floats:
    mine, theirs = np.asarray(now, np.float64), np.asarray(before, np.float64)
    known, usable = np.isfinite(mine), theirs[np.isfinite(theirs)]
    if len(usable) < 2 or not known.any():
        return np.zeros(len(mine))
    if classes:
        edges = np.unique(np.concatenate([usable, mine[known]])) - 0.5
    else:
        edges = np.unique(np.quantile(usable, np.linspace(0, 1, BINS + 1)[1:-1]))
    size = len(edges) + 1
    place = np.searchsorted(edges, mine[known], side="right")
    q = np.bincount(place, minlength=size) + 0.5
    p = np.bincount(np.searchsorted(edges, usable, side="right"), minlength=size) + 0.5
    share = np.maximum(0.0, 1.0 - (p / p.sum()) / (q / q.sum()))
    out = np.zeros(len(mine))
    out[known] = share[place]
    return out


def _near(points: Floats, reference: Floats) -> Floats:
    known = np.isfinite(points).all(axis=1)
    mine = points[known]
    out = np.zeros(len(points))
    if len(mine) < 2:
        return out
    k = min(NEIGHBOURS, len(mine) + len(reference) - 2)
    here = np.concatenate(
        [
            _neighbours_here(mine, reference, rows, k)
            for rows in np.array_split(np.arange(len(mine)), -(-len(mine) // _AT_ONCE))
        ]
    )
    q = (here + 0.5) / len(mine)
    p = (k - here + 0.5) / len(reference)
    out[known] = np.maximum(0.0, 1.0 - p / q)
    return out


def _neighbours_here(mine: Floats, reference: Floats, rows: NDArray[np.int64], k: int) -> Floats:
    """Of the k nearest of each of these rows, how many are of today; a row is not its own."""
    both = np.concatenate([distances(mine[rows], mine), distances(mine[rows], reference)], axis=1)
    both[np.arange(len(rows)), rows] = np.inf
    nearest = np.argpartition(both, k - 1, axis=1)[:, :k]
    return np.asarray((nearest < len(mine)).sum(axis=1), np.float64)
