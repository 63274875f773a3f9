"""How undecided the model was: ``u = H(p) / log K``, entropy of the K class probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vigil.windows.sample import Sample

NOT_KNOWN = 0.5


def uncertainty_of(sample: Sample) -> NDArray[np.float64]:
    """In [0, 1], (n,); 0.5 where there are no probabilities."""
    p = np.asarray(sample.probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        return np.full(len(sample), NOT_KNOWN)
    known: NDArray[np.bool_] = np.asarray(np.isfinite(p).all(axis=1))
    p = np.clip(np.where(known[:, None], p, 1.0 / p.shape[1]), 1e-12, None)
    p /= p.sum(axis=1, keepdims=True)
    entropy = -(p * np.log(p)).sum(axis=1) / np.log(p.shape[1])
    return np.where(known, np.clip(entropy, 0.0, 1.0), NOT_KNOWN)


def top_of(sample: Sample, row: int, count: int = 3) -> tuple[tuple[int, float], ...]:
    """The likeliest classes of a record with their probabilities; empty where there are none."""
    p = np.asarray(sample.probabilities[row], np.float64)
    if p.size == 0 or not np.isfinite(p).all():
        return ()
    order = np.argsort(-p, kind="stable")[:count]
    return tuple((int(one), round(float(p[one]), 3)) for one in order)
