"""Name the slice that a drift lives in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vigil.types import WHOLE, Slice


def name_slice(
    leaf_effects: Mapping[tuple[str, ...], tuple[bool, float]], keys: Sequence[str]
) -> Slice:
    """The slice that covers the drifting leaf cells best.

    Among the whole, each ``key=value`` and each leaf cell, the one with the largest Jaccard index
    ``weight(drifting and inside) / weight(drifting or inside)``; of equals the coarser, and of
    equally coarse ones the earlier key. Nothing drifting gives the whole.

    Args:
        leaf_effects: leaf cell to (whether it drifts, its weight, e.g. records).
        keys: names of the cells' values.

    Raises:
        ValueError: a cell has another number of values than there are keys.
    """
    drifting = {cell for cell, (drifts, _) in leaf_effects.items() if drifts}
    for cell in leaf_effects:
        if len(cell) != len(keys):
            raise ValueError(f"cell {cell}: expected {len(keys)} values, found {len(cell)}")
    if not drifting or len(drifting) == len(leaf_effects):
        return WHOLE
    candidates = [(WHOLE, set(leaf_effects))]
    for position, key in enumerate(keys):
        for value in sorted({cell[position] for cell in drifting}):
            inside = {cell for cell in leaf_effects if cell[position] == value}
            candidates.append((Slice(((key, value),)), inside))
    candidates += [
        (Slice(tuple(zip(keys, cell, strict=True))), {cell}) for cell in sorted(drifting)
    ]

    def weight(cells: set[tuple[str, ...]]) -> float:
        return sum(max(leaf_effects[cell][1], 1e-12) for cell in sorted(cells))

    best, best_index = WHOLE, -1.0
    for candidate, inside in candidates:
        index = weight(inside & drifting) / weight(inside | drifting)
        if index > best_index + 1e-9:
            best, best_index = candidate, index
    return best
