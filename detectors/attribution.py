"""Name the slice that a drift lives in: a conjunction of at most two metadata fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from vigil.types import WHOLE, Slice

MOST_FIELDS = 2
EXPLAINED = 0.5
"""A slice explains a drift where its Jaccard index is at least so much; only where none does, a
leaf cell of three or four keys is named."""

COMPARABLE = 0.5
"""A leaf cell drifts with the others where its effect is at least half of the largest one."""

_TIE = 1e-9

LeafEffects = Mapping[tuple[str, ...], tuple[bool, float]]


def name_slice(leaf_effects: LeafEffects, keys: Sequence[str]) -> Slice:
    """The slice that covers the drifting leaf cells best.

    Among the whole, every ``key=value`` and every pair of fields (``site=north & lens=B``), the one
    with the largest weighted Jaccard index ::

        J = weight(drifting and inside) / weight(drifting or inside)

    Of equals the coarser, and of equally coarse ones the earlier keys. A leaf cell of three or four
    keys is named only where no such slice reaches J = 1/2: then one cell drifts and most of what
    surrounds it does not. Nothing drifting gives the whole.

    Why this index: it punishes healthy traffic inside and drifting traffic outside alike, so the
    whole needs no penalty of its own. A two-level scan statistic on the sizes (the best split by
    variance explained) names one leaf cell of three keys more often, but a pair less often (0.71
    to 0.77 against 0.86 to 0.92 with noisy cells), and it can never name the whole.

    When not to use it: for two faults at once on unrelated slices. One slice is named; the other
    fault shows among the findings around it.

    Args:
        leaf_effects: leaf cell to (whether it drifts, its weight, e.g. records times effect).
        keys: names of the cells' values, four at most.

    Cost: one pass over the cells for each of the ``1 + K + K (K - 1) / 2`` sets of keys.

    Raises:
        ValueError: a cell has another number of values than there are keys.
    """
    for cell in leaf_effects:
        if len(cell) != len(keys):
            raise ValueError(f"cell {cell}: expected {len(keys)} values, found {len(cell)}")
    cells = sorted(leaf_effects)
    drifts = np.array([leaf_effects[cell][0] for cell in cells], bool)
    if drifts.all() or not drifts.any():
        return WHOLE
    weight = np.array([max(leaf_effects[cell][1], 1e-12) for cell in cells])
    best, index = WHOLE, float(weight[drifts].sum() / weight.sum())
    for fields in range(1, min(MOST_FIELDS, len(keys)) + 1):
        best, index = _better(best, index, cells, keys, drifts, weight, fields)
    if len(keys) > MOST_FIELDS and index < EXPLAINED:
        best, index = _better(best, index, cells, keys, drifts, weight, len(keys))
    return best


def name_by_size(
    sizes: Mapping[tuple[str, ...], float],
    records: Mapping[tuple[str, ...], float],
    keys: Sequence[str],
) -> Slice:
    """``name_slice`` from how far each leaf cell drifts.

    A cell drifts where it does at least half as much as the one that drifts most. It weighs its
    records times its drift; one that does not drift, its records times the usual drift.

    Args:
        sizes: leaf cell to its drift in tolerances; 0 where it does not.
        records: of the same cells.
    """
    largest = max(sizes.values(), default=0.0)
    drifts = {cell: one > 0 and one >= COMPARABLE * largest for cell, one in sizes.items()}
    usual = sum(sizes[cell] for cell in sizes if drifts[cell]) / max(sum(drifts.values()), 1)
    return name_slice(
        {
            cell: (drifts[cell], records[cell] * (sizes[cell] if drifts[cell] else usual))
            for cell in sizes
        },
        keys,
    )


def _better(
    best: Slice,
    index: float,
    cells: Sequence[tuple[str, ...]],
    keys: Sequence[str],
    drifts: NDArray[np.bool_],
    weight: NDArray[np.float64],
    fields: int,
) -> tuple[Slice, float]:
    """The best so far, or a slice of so many fields with a larger index."""
    drifting = float(weight[drifts].sum())
    for positions in combinations(range(len(keys)), fields):
        values = [tuple(cell[at] for at in positions) for cell in cells]
        groups = {value: row for row, value in enumerate(sorted(set(values)))}
        which = np.array([groups[value] for value in values])
        inside = np.bincount(which, weight)
        both = np.bincount(which, weight * drifts)
        jaccard = both / (inside + drifting - both)
        for value, row in groups.items():
            if jaccard[row] > index + _TIE:
                pairs = tuple((keys[at], text) for at, text in zip(positions, value, strict=True))
                best, index = Slice(pairs), float(jaccard[row])
    return best, index
