"""Bins between the quantiles of a reference sample."""

from __future__ import annotations

import numpy as np

from detectors.methods.samples import Counts, Floats


def quantile_edges(reference: Floats, bins: int) -> Floats:
    """Edges of ``bins`` bins of about equal reference share: bin k holds (edge_{k-1}, edge_k].

    A value on which two or more quantiles fall (a constant, zeros of a sparse signal) gets a bin
    of its own, so that mass that moves away from it to either side is seen.
    """
    at = np.quantile(reference, np.arange(bins + 1) / bins, method="inverted_cdf")
    values, times = np.unique(at, return_counts=True)
    atoms = values[times > 1]
    inner = np.unique(at[1:-1])
    return np.unique(np.concatenate([inner, atoms, np.nextafter(atoms, -np.inf)]))


def binned(values: Floats, edges: Floats) -> Counts:
    """Counts (len(edges) + 1,)."""
    cells = np.searchsorted(edges, values, side="left")
    return np.bincount(cells, minlength=len(edges) + 1).astype(np.int64)
