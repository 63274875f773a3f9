"""The slices that are compared: every value of a metadata column that is frequent enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.detect.report import ColumnFinding
from vigil.types import Outcome, Slice

Rows = NDArray[np.bool_]

LEAST_RECORDS = 20
"""A slice with fewer rows than this on a side is not compared."""
MOST_SLICES = 40
"""Of each key, the most frequent values."""


def slices_of(
    before: Mapping[str, NDArray[Any]], now: Mapping[str, NDArray[Any]], by: Sequence[str]
) -> tuple[list[tuple[Slice, tuple[Rows, Rows]]], list[str]]:
    """Every value of each key that is frequent enough on both sides; what is left out, in words."""
    found: list[tuple[Slice, tuple[Rows, Rows]]] = []
    remarks: list[str] = []
    for key in dict.fromkeys(by):
        x, y = before[key].astype(str), now[key].astype(str)
        counts = {
            str(value): (int((x == value).sum()), int((y == value).sum()))
            for value in np.unique(np.concatenate([np.unique(x), np.unique(y)]))
        }
        only = {
            "reference": [value for value, (_, there) in counts.items() if not there],
            "current table": [value for value, (there, _) in counts.items() if not there],
        }
        for side, values in only.items():
            if values:
                remarks.append(f"{key}: only in the {side}: {_some(values)}")
        shared = {value: pair for value, pair in counts.items() if min(pair)}
        thin = [value for value, pair in shared.items() if min(pair) < LEAST_RECORDS]
        if thin:
            remarks.append(f"{key}: fewer than {LEAST_RECORDS} rows on a side: {_some(thin)}")
        usable = [value for value in shared if value not in set(thin)]
        usable.sort(key=lambda value: -shared[value][1])
        if len(usable) > MOST_SLICES:
            remarks.append(
                f"{key}: the {MOST_SLICES} most frequent of {len(usable)} values are compared"
            )
        for value in usable[:MOST_SLICES]:
            found.append((Slice(((key, value),)), (x == value, y == value)))
    return found, remarks


def _some(values: Sequence[str], most: int = 8) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def worst_slice(findings: Sequence[ColumnFinding]) -> Slice | None:
    """The slice with most drifted columns; of those, the one with the strongest."""
    drifted = [one for one in findings if one.outcome is Outcome.DRIFTED]
    if not drifted:
        return None
    count = {one.slice: 0 for one in drifted}
    strongest = {one.slice: 0.0 for one in drifted}
    for one in drifted:
        count[one.slice] += 1
        strongest[one.slice] = max(strongest[one.slice], one.severity)
    return max(count, key=lambda piece: (count[piece], strongest[piece]))
