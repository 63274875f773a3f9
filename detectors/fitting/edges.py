"""Bin edges of a ruler: the baseline's quantiles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from vigil.types import Signal, SignalKind

Floats = NDArray[np.float64]

FASTEST_S = 1e-4


def fit_edges(
    signals: Sequence[Signal], columns: Iterable[Floats], bins: int
) -> tuple[Floats, Floats, Floats]:
    """Edges, centre and scale of scalars.

    Args:
        signals: S of them.
        columns: the values of each, NaN where missing; of records or of boxes.
        bins: B.

    Returns:
        Edges (S, B - 1), non-decreasing; mean (S,) and standard deviation (S,), 1 where there is
        none.

    Service signals get half quantiles, half steps of equal ratio from there up to their range:
    their tails matter beyond what the baseline saw. A signal that the baseline never saw gets
    steps over its whole range.
    """
    edges = np.empty((len(signals), bins - 1))
    center, scale = np.zeros(len(signals)), np.ones(len(signals))
    for s, (signal, column) in enumerate(zip(signals, columns, strict=True)):
        column = column[np.isfinite(column)]
        edges[s] = _edges(signal, column, bins)
        if len(column):
            center[s] = column.mean()
            deviation = float(column.std())
            tiny = 1e-6 * max(1e-6, float(np.abs(column).max()))
            scale[s] = (
                deviation if deviation > tiny else max(tiny, 1e-3 * (signal.high - signal.low))
            )
        else:
            center[s] = 0.5 * (signal.low + signal.high)
            scale[s] = 0.25 * (signal.high - signal.low)
    return edges, center, scale


def _edges(signal: Signal, column: Floats, bins: int) -> Floats:
    wide = signal.kind is SignalKind.SERVICE
    if wide:
        steps = np.geomspace(FASTEST_S, signal.high, bins - 1)
    else:
        steps = np.linspace(signal.low, signal.high, bins + 1)[1:-1]
    if len(column) == 0:
        return np.asarray(steps)
    if not wide:
        own = np.asarray(np.quantile(column, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
        if len(own) and own[0] == own[-1]:
            # Nearly all values are one and the same: what lies above it has a bin of its own.
            own[-1] = np.nextafter(own[-1], np.inf)
        return own
    fine = (bins - 1) // 2
    own = np.quantile(column, np.linspace(0.0, 1.0, fine + 2)[1:-1])
    start = float(np.clip(own[-1] if fine else FASTEST_S, FASTEST_S, 0.5 * signal.high))
    outer = np.geomspace(start, signal.high, bins - 1 - fine)
    return np.sort(np.concatenate([own, outer]))
