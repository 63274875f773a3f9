"""Where a drift lives: one value of a metadata column, or a pair of two, among up to four."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.attribution import name_by_size
from detectors.detector import Takes
from monitor.detect.columns import Pair
from monitor.detect.report import ColumnFinding
from monitor.detect.slices import LEAST_RECORDS
from vigil.types import Outcome, Slice

MOST_KEYS, MOST_CELLS = 4, 256


def lives_in(
    found: Sequence[tuple[Pair, ColumnFinding]],
    before: Mapping[str, NDArray[Any]],
    now: Mapping[str, NDArray[Any]],
    by: Sequence[str],
) -> Slice | None:
    """The slice of up to two fields that covers the worst drift best; see ``name_slice``.

    Of the column with the largest effect, whole or on a slice, among numbers and categories. A cell
    is one value of each key; thin ones are left out. Its size is the distance of the two sides in
    tolerances: KS of numbers, total variation of categories.

    Args:
        found: columns on slices, each with its finding.
        by: metadata columns; the first four count.

    Returns:
        None: nothing drifted, fewer than two keys, or it is everywhere.
    """
    keys = list(dict.fromkeys(by))[:MOST_KEYS]
    drifted = [
        (pair, one)
        for pair, one in found
        if one.outcome is Outcome.DRIFTED
        and pair.kind in (Takes.SCALAR, Takes.CATEGORY)
        and pair.name not in keys
    ]
    if len(keys) < 2 or not drifted:
        return None
    pair, worst = max(drifted, key=lambda each: each[1].severity)
    leading = worst.leading
    tolerance = max(leading.comparison.effect.tolerance if leading else 0.0, 1e-9)
    sizes: dict[tuple[str, ...], float] = {}
    records: dict[tuple[str, ...], float] = {}
    cells = [_cells(before, keys), _cells(now, keys)]
    for cell in islice(_frequent(cells[1]), MOST_CELLS):
        x, y = (
            values[(names == cell) & ~missing]
            for values, names, missing in zip(
                (pair.reference, pair.current), cells, pair.missing, strict=True
            )
        )
        if min(len(x), len(y)) < LEAST_RECORDS:
            continue
        distance = _distance(x, y)
        noise = 1.5 * np.sqrt(1.0 / len(x) + 1.0 / len(y))
        key = tuple(cell.split(_BETWEEN))
        sizes[key] = distance / tolerance if distance > max(tolerance, noise) else 0.0
        records[key] = float(len(y))
    place = name_by_size(sizes, records, keys) if sizes else Slice()
    return None if place.is_whole else place


_BETWEEN = "\x1f"


def _cells(table: Mapping[str, NDArray[Any]], keys: Sequence[str]) -> NDArray[np.str_]:
    columns = [table[key].astype(str) for key in keys]
    return np.array([_BETWEEN.join(row) for row in zip(*columns, strict=True)])


def _frequent(cells: NDArray[np.str_]) -> list[str]:
    values, counts = np.unique(cells, return_counts=True)
    return [str(one) for one in values[np.argsort(-counts, kind="stable")]]


def _distance(x: NDArray[Any], y: NDArray[Any]) -> float:
    """KS of numbers, total variation of anything else."""
    if x.dtype.kind in "fiub":
        x, y = (np.sort(side[np.isfinite(side.astype(float))].astype(float)) for side in (x, y))
        both = np.concatenate([x, y])
        if not len(x) or not len(y):
            return 0.0
        share = [np.searchsorted(side, both, side="right") / len(side) for side in (x, y)]
        return float(np.abs(share[0] - share[1]).max())
    values = np.unique(np.concatenate([x.astype(str), y.astype(str)]))
    counts = [np.searchsorted(values, side.astype(str)) for side in (x, y)]
    parts = [np.bincount(one, minlength=len(values)) / len(one) for one in counts]
    return float(np.abs(parts[0] - parts[1]).sum() / 2.0)
