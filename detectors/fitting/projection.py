"""The projection of a ruler, fitted to a baseline's embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vigil.windows.ruler import Projection

COMPONENTS = 32
DISTANCE_PAIRS = 2000


def fit_projection(
    embeddings: NDArray[np.float32], *, feature_pairs: int, rng: np.random.Generator
) -> Projection:
    """Random Fourier features with the median distance as length, and the leading whitened
    components.

    Args:
        embeddings: (n, d), finite, n >= 2.
        feature_pairs: D/2, cosines and sines.
        rng: draws the directions.

    ``whitening`` (k, d) holds at most 32 leading principal directions, each over its standard
    deviation; directions without variance are left out.
    """
    n, d = embeddings.shape
    data = embeddings.astype(np.float64)
    first, second = rng.integers(0, n, (2, DISTANCE_PAIRS))
    apart = np.sqrt(((data[first] - data[second]) ** 2).sum(axis=1))
    apart = apart[apart > 0]
    length = float(np.median(apart)) if len(apart) else 1.0
    mean = data.mean(axis=0)
    _, singular, axes = np.linalg.svd(data - mean, full_matrices=False)
    deviation = singular / np.sqrt(max(1, n - 1))
    floor = max(1e-8, 1e-4 * float(deviation[0])) if len(deviation) else 1.0
    k = int(min(COMPONENTS, (deviation > floor).sum()))
    return Projection(
        weights=(rng.standard_normal((feature_pairs, d)) / length).astype(np.float32),
        mean=mean.astype(np.float32),
        whitening=(axes[:k] / deviation[:k, None]).astype(np.float32),
    )
