"""How far two baselines lie apart, signal by signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vigil.catalogue import PREDICTED_CLASS, signal_of
from vigil.windows.baseline import Baseline
from vigil.windows.summary import Outcomes, Summary

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """One signal of two baselines. ``beyond`` says that it exceeds the signal's tolerance."""

    signal: str
    measure: str
    value: float
    tolerance: float

    @property
    def beyond(self) -> bool:
        return self.value > self.tolerance


def compare(left: Baseline, right: Baseline) -> list[Difference]:
    """Scalars by the Kolmogorov-Smirnov distance, classes by total variation, outcomes by loss.

    ``KS = max |F_left - F_right|`` over both baselines' bin edges; each F is exact at its own
    edges and linear between them, so the resolution is about one bin (1/64 by default). A signal
    that one of them has not measured is left out. Embeddings are compared by their whitened
    distance only (``embedding_distance``): two rulers project them differently.
    """
    a, b = left.reference.collapse(), right.reference.collapse()
    found = []
    for name in a.layout.signals:
        if name not in b.layout.signals:
            continue
        x, y = _curve(left, a, name), _curve(right, b, name)
        if x is None or y is None:
            continue
        at = np.union1d(x[0], y[0])
        gap = np.abs(_read(x, at) - _read(y, at)).max(initial=0.0)
        found.append(_difference(name, "KS distance", float(gap)))
    shares = _class_shares(a, b)
    if shares is not None:
        distance = float(np.abs(shares[0] - shares[1]).sum() / 2)
        found.append(_difference(PREDICTED_CLASS.name, "total variation", distance))
    if left.outcomes is not None and right.outcomes is not None:
        loss = _accuracy(left.outcomes) - _accuracy(right.outcomes)
        found.append(_difference("accuracy", "loss from first to second", loss))
    return found


def _difference(name: str, measure: str, value: float) -> Difference:
    known = signal_of(name)
    tolerance = known.tolerance if known is not None else 0.0
    return Difference(signal=name, measure=measure, value=value, tolerance=tolerance)


def _curve(baseline: Baseline, whole: Summary, name: str) -> tuple[Floats, Floats] | None:
    """Edges, and the share of records below each; None where nothing was measured."""
    column = whole.layout.signals.index(name)
    counts = whole.counts[:, column, :-1].sum(axis=0).astype(np.float64)
    if counts.sum() == 0:
        return None
    row = baseline.ruler.layout.signals.index(name)
    below = np.cumsum(counts)[:-1] / counts.sum()
    edges, last = np.unique(baseline.ruler.edges[row][::-1], return_index=True)
    return edges, below[::-1][last]


def _read(curve: tuple[Floats, Floats], at: Floats) -> Floats:
    return np.asarray(np.interp(at, curve[0], curve[1], left=0.0, right=1.0), np.float64)


def _class_shares(a: Summary, b: Summary) -> tuple[Floats, Floats] | None:
    x, y = a.classes.sum(axis=0), b.classes.sum(axis=0)
    if x.sum() == 0 or y.sum() == 0:
        return None
    k = max(len(x), len(y))
    known = [np.append(np.pad(v[:-1], (0, k - len(v))), v[-1]) / v.sum() for v in (x, y)]
    return known[0], known[1]


def _accuracy(outcomes: Outcomes) -> float:
    table = outcomes.table.sum(axis=(0, 1))
    return float(table[2] / max(1, table[0]))
