"""How far a record lies from what the model was trained on.

``v = r / (1 + r)``; r is the mean distance to the 5 nearest baseline embeddings over the median of
the same among the baseline's own records, so that r = 1 is as familiar as a training image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vigil.windows.sample import Sample

NEIGHBOURS = 5

Floats = NDArray[np.float64]


def scaled_embeddings(sample: Sample, baseline: Sample) -> tuple[Floats, Floats, Floats]:
    """Embeddings in the baseline's standard deviations, (n, d) and (m, d), and these (d,).

    d = 0 where there are none; m = 0 where the baseline has none of that size.
    """
    points = np.asarray(sample.embedding, np.float64)
    reference = np.asarray(baseline.embedding, np.float64)
    if points.ndim != 2 or points.shape[1] == 0:
        return np.zeros((len(sample), 0)), np.zeros((0, 0)), np.zeros(0)
    if reference.ndim != 2 or reference.shape[1] != points.shape[1]:
        reference = np.zeros((0, points.shape[1]))
    reference = reference[np.isfinite(reference).all(axis=1)]
    spread = reference.std(axis=0) if len(reference) > 1 else np.ones(points.shape[1])
    scale = np.where(spread > 1e-6, spread, max(float(spread.mean()), 1e-6))
    return points / scale, reference / scale, scale


def familiarity(points: Floats, reference: Floats) -> tuple[float, Floats]:
    """The baseline's usual distance, and r of each point; 1 where not known."""
    ratio = np.ones(len(points))
    if len(reference) <= NEIGHBOURS or points.shape[1] == 0:
        finite = points[np.isfinite(points).all(axis=1)]
        usual = float(np.median(distances(finite, finite))) if len(finite) > 1 else 1.0
        return usual or 1.0, ratio
    own = np.sort(distances(reference, reference), axis=1)[:, 1 : NEIGHBOURS + 1]
    usual = max(float(np.median(own.mean(axis=1))), 1e-9)
    known = np.isfinite(points).all(axis=1)
    near = np.sort(distances(points[known], reference), axis=1)[:, :NEIGHBOURS]
    ratio[known] = near.mean(axis=1) / usual
    return usual, ratio


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean, (n, m)."""
    squared = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None, :] - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
