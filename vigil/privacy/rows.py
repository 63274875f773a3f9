"""Some of the records of a call, whatever its arguments are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.values.objects import Objects

Rows = NDArray[np.int64]


def rows_of_arguments(arguments: Mapping[str, Any], rows: Rows, n: int) -> dict[str, Any]:
    """The arguments of ``Tap.record`` for some of n records.

    Boxes become ``Objects``, with their tracks.

    Raises:
        ValueError: an array or a list of another length than n.
        ShapeError: as ``Objects.of``.
    """
    found = {
        name: _taken(name, value, rows, n)
        for name, value in arguments.items()
        if name not in ("detections", "tracks")
    }
    if arguments.get("detections") is not None:
        boxes = Objects.of(arguments["detections"], n, arguments.get("tracks"))
        found["detections"] = boxes.take(rows)
    return found


def _taken(name: str, value: Any, rows: Rows, n: int) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _taken(f"{name}[{key!r}]", one, rows, n) for key, one in value.items()}
    shape = getattr(value, "shape", None)
    if shape is not None and len(shape) == 0:
        return value
    found = len(value) if shape is None else int(shape[0])
    if found != n:
        raise ValueError(f"{name}: expected {n} rows, found {found}")
    if shape is None:
        return [value[row] for row in rows.tolist()]
    return value[rows.tolist()] if hasattr(value, "detach") else value[rows]
