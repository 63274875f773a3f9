"""Two samples of a column as something that can be drawn. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BARS = 32
MOST_CLASSES = 24
MOST_POINTS = 400
TAIL = 0.005


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Histogram:
    """Shares of both samples on the same even bars: ``edges`` (B + 1,), the two (B,). The first
    and the last bar also hold what lies beyond them."""

    edges: Floats
    reference: Floats
    current: Floats
    cut: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shares:
    """Shares of both samples in each category: ``names`` (K,), the two (K,)."""

    names: tuple[str, ...]
    reference: Floats
    current: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Points:
    """Vectors on the reference's two main axes: (n, 2) and (m, 2); ``first`` along the first."""

    reference: Floats
    current: Floats
    explained: tuple[float, float]
    first: Histogram


Shape = Histogram | Shares | Points


def histogram(reference: Floats, current: Floats, bars: int = BARS) -> Histogram | None:
    """None where a side has no finite value. The bars span all but the outermost half percent."""
    x, y = reference[np.isfinite(reference)], current[np.isfinite(current)]
    if not len(x) or not len(y):
        return None
    ends = np.array([np.quantile(side, [TAIL, 1.0 - TAIL]) for side in (x, y)])
    lowest, highest = min(x.min(), y.min()), max(x.max(), y.max())
    low, high = ends[:, 0].min(), ends[:, 1].max()
    # A tail is cut only where that leaves room for the rest.
    if highest - lowest <= 1.5 * (high - low):
        low, high = lowest, highest
    if not np.isfinite(high - low):
        return None
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bars + 1)
    if not (np.diff(edges) > 0).all():
        return None
    shares = [np.histogram(np.clip(side, low, high), edges)[0] / len(side) for side in (x, y)]
    return Histogram(
        edges=edges,
        reference=shares[0],
        current=shares[1],
        cut=bool(low > lowest or high < highest),
    )


def shares(reference: NDArray[Any], current: NDArray[Any]) -> Shares | None:
    """The most frequent categories, the rest as "other"; None where a side is empty."""
    if not len(reference) or not len(current):
        return None
    both = np.concatenate([reference, current])
    names, codes = np.unique(both, return_inverse=True)
    n = len(reference)
    x = np.bincount(codes[:n], minlength=len(names)) / n
    y = np.bincount(codes[n:], minlength=len(names)) / len(current)
    if len(names) <= MOST_CLASSES:
        return Shares(names=tuple(str(one) for one in names), reference=x, current=y)
    kept = np.sort(np.argsort(-(x + y), kind="stable")[: MOST_CLASSES - 1])
    return Shares(
        names=(*(str(names[k]) for k in kept), "other"),
        reference=np.append(x[kept], 1.0 - x[kept].sum()),
        current=np.append(y[kept], 1.0 - y[kept].sum()),
    )


def points(reference: Floats, current: Floats, seed: int = 0) -> Points | None:
    """Both samples on the two main axes of the reference; None where that has none."""
    x, y = (side[np.isfinite(side).all(axis=1)] for side in (reference, current))
    if len(x) < 3 or not len(y) or x.shape[1] < 2:
        return None
    rng = np.random.default_rng(seed)
    fit = x[np.sort(rng.permutation(len(x))[:2000])].astype(np.float64)
    centre = fit.mean(axis=0)
    _, spread, axes = np.linalg.svd(fit - centre, full_matrices=False)
    total = float((spread**2).sum())
    if not total > 0:
        return None
    mapped = [(side - centre) @ axes[:2].T for side in (x, y)]
    first = histogram(mapped[0][:, 0], mapped[1][:, 0])
    if first is None:
        return None
    drawn = [side[np.sort(rng.permutation(len(side))[:MOST_POINTS])] for side in mapped]
    return Points(
        reference=drawn[0],
        current=drawn[1],
        explained=(float(spread[0] ** 2) / total, float(spread[1] ** 2) / total),
        first=first,
    )
