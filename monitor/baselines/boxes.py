"""Boxes in tables: columns of lists, or arrays padded with NaN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.errors import BaselineError
from vigil.measuring.own_signals import CHARACTERS

TAKEN = ("boxes", "scores", "classes", "tracks", "areas", CHARACTERS)
"""Columns of a table that are no metadata, beside those that have one value a row."""
RAGGED = frozenset(TAKEN) - {"areas"}
"""Columns whose lists may have any length."""


def boxes_of(columns: Mapping[str, Any], where: str, n: int) -> dict[str, Any]:
    """``detections`` of ``record`` from columns with a list (or a padded row) for each record.

    Raises:
        BaselineError: a box without four corners, or columns of another number of boxes.
    """
    boxes, kept = [], []
    for row, value in enumerate(columns["boxes"]):
        found = _numbers(value, f"{where}: boxes of row {row + 1}")
        found = found.reshape(0, 4) if found.size == 0 else found
        if found.ndim != 2 or found.shape[1] != 4:
            raise BaselineError(f"{where}: boxes of row {row + 1}: expected four corners each")
        there = np.asarray(~np.isnan(found).all(axis=1), bool)
        boxes.append(found[there])
        kept.append(there)
    out: dict[str, Any] = {
        "boxes": np.concatenate(boxes) if boxes else np.zeros((0, 4)),
        "counts": np.array([len(one) for one in boxes], np.int64),
    }
    for name in ("scores", "classes", "tracks"):
        if name in columns:
            out[name] = _beside(columns[name], kept, f"{where}: {name}")
    if len(boxes) != n:
        raise BaselineError(f"{where}: boxes: expected {n} rows, found {len(boxes)}")
    return out


def _beside(values: Any, kept: list[NDArray[np.bool_]], where: str) -> NDArray[np.float64]:
    rows = []
    for row, (value, there) in enumerate(zip(values, kept, strict=True)):
        found = _numbers(value, f"{where} of row {row + 1}").reshape(-1)
        if len(found) != len(there):
            raise BaselineError(
                f"{where} of row {row + 1}: expected {len(there)}, found {len(found)}"
            )
        rows.append(found[there])
    return np.concatenate(rows) if rows else np.zeros(0)


def _numbers(value: Any, where: str) -> NDArray[np.float64]:
    try:
        return np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise BaselineError(f"{where}: expected numbers, found {error}") from None
