"""Quantiles of histograms that do not share their edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.reference import Floats


def mixed_quantiles(
    histograms: Sequence[tuple[Floats, Floats]], shares: Floats
) -> tuple[Floats, Floats, Floats]:
    """Quantiles of the sum of histograms, linear inside a bin; and the edges around them.

    Args:
        histograms: (edges (B - 1,), counts (B,)) each. The open first and last bins end at the
            outermost edges: quantiles beyond are reported as those.
        shares: (m,) in [0, 1].

    Returns:
        Value, edge below and edge above, (m,) each.
    """
    points = np.unique(np.concatenate([edges for edges, _ in histograms]))
    total = sum(float(counts.sum()) for _, counts in histograms)
    below = np.zeros(len(points))
    for edges, counts in histograms:
        reached = counts.cumsum()[:-1]
        # Equal edges: the last holds everything below the value.
        last = np.append(np.flatnonzero(np.diff(edges) > 0), len(edges) - 1)
        below += np.interp(points, edges[last], reached[last], left=0.0, right=float(counts.sum()))
    below /= max(total, 1.0)
    first = np.searchsorted(below, shares, side="left")
    first = np.clip(first, 0, len(points) - 1)
    previous = np.maximum(first - 1, 0)
    rise = below[first] - below[previous]
    part = np.where(rise > 0, (shares - below[previous]) / np.where(rise > 0, rise, 1.0), 1.0)
    part = np.clip(part, 0.0, 1.0)
    lower, upper = points[previous], points[first]
    return lower + part * (upper - lower), lower, upper
