"""Latency quantiles from counts per bin."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vigil.windows.ruler import Ruler
from vigil.windows.summary import Summary

SIGNAL = "latency_s"


def latency_quantiles(
    ruler: Ruler, summary: Summary, shares: Sequence[float] = (0.5, 0.9, 0.99)
) -> dict[float, float]:
    """The latency below which each share of the inferences lies, in seconds.

    The upper edge of the bin that holds the quantile; in the last, open bin its lower edge, so
    the answer is then a lower bound. Empty where no latency was recorded.
    """
    if SIGNAL not in summary.layout.signals:
        return {}
    row = summary.layout.signals.index(SIGNAL)
    counts = summary.counts[:, row, : summary.layout.bins].sum(axis=0)
    total = int(counts.sum())
    if not total:
        return {}
    edges = ruler.edges[row]
    cumulative = np.cumsum(counts)
    found = {}
    for share in shares:
        position = int(np.searchsorted(cumulative, share * total))
        found[share] = float(edges[min(position, len(edges) - 1)])
    return found
