"""Some of the records of a call, whatever its arguments are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.values.objects import Objects
from vigil.values.tensors import rows_of_tensor

Rows = NDArray[np.int64]
SOME = "*some*"
"""Beside boxes that are on another device: of how many records, and which of them are meant."""


def rows_of_arguments(arguments: Mapping[str, Any], rows: Rows, n: int) -> dict[str, Any]:
    """The arguments of ``Tap.record`` for some of n records.

    Boxes become ``Objects``, with their tracks. Tensors stay on their device, and nothing waits for
    it: of boxes there, what is to be taken is noted beside them.

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
        boxes, tracks = arguments["detections"], arguments.get("tracks")
        if isinstance(boxes, Mapping) and has_remote_boxes(arguments):
            beside = {} if tracks is None else {"tracks": tracks}
            found["detections"] = {**boxes, **beside, SOME: (n, rows)}
        else:
            found["detections"] = Objects.of(boxes, n, tracks).take(rows)
    return found


def arrived(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The same arguments once they are in this machine's memory: only the boxes that are meant.

    Raises:
        ShapeError: as ``Objects.of``.
    """
    found = dict(arguments)
    boxes = found.get("detections")
    if isinstance(boxes, Mapping) and SOME in boxes:
        n, rows = boxes[SOME]
        found["detections"] = Objects.of(boxes, n).take(rows)
    return found


def has_remote_boxes(arguments: Mapping[str, Any]) -> bool:
    """Whether a column of the boxes is on another device."""
    boxes = arguments.get("detections")
    columns = boxes.values() if isinstance(boxes, Mapping) else ()
    return any(map(_is_remote, (*columns, arguments.get("tracks"))))


def _is_remote(value: Any) -> bool:
    return hasattr(value, "detach") and value.device.type != "cpu"


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
    return rows_of_tensor(value, rows) if hasattr(value, "detach") else value[rows]
