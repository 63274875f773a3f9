"""The same argument of several calls, end to end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vigil.signals.strips import Strips
from vigil.values.arrays import as_numpy
from vigil.values.objects import Objects


def form_of(value: Any) -> object:
    """What values must share to be joined: the kind, its names, and the shape of a row."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), form_of(one)) for name, one in value.items()))
    if value is None or isinstance(value, Objects):
        return type(value).__name__
    if isinstance(value, Strips):
        small = None if value.small is None else value.small.shape[1:]
        return form_of(value.pixels), value.band, value.height, value.width, small
    shape = getattr(value, "shape", None)
    if shape is None:
        return "list" if isinstance(value, list | tuple) else "number"
    return str(getattr(value, "dtype", "")), tuple(shape)[1:], len(shape) == 0


def joined(what: str, values: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Values of one form, one for each call of so many records.

    Raises:
        ValueError: a value has another number of rows than its call has records.
        ShapeError: not numbers.
    """
    first = values[0]
    if isinstance(first, Mapping):
        return {
            name: joined(f"{what}[{name!r}]", [value[name] for value in values], sizes)
            for name in first
        }
    if isinstance(first, Strips):
        return Strips.concatenate(values)
    if isinstance(first, list | tuple):
        for value, size in zip(values, sizes, strict=True):
            _fits(what, len(value), size)
        return [one for value in values for one in value]
    if form_of(first) == "number":
        return np.repeat([float(value) for value in values], sizes)
    rows = [as_numpy(value, what) for value in values]
    if rows[0].ndim == 0:
        return np.repeat(np.array(rows), sizes)
    for row, size in zip(rows, sizes, strict=True):
        _fits(what, len(row), size)
    return np.concatenate(rows)


def objects_of(detections: Sequence[Any], tracks: Sequence[Any], sizes: Sequence[int]) -> Objects:
    """The boxes of some calls with their tracks.

    Raises:
        ShapeError: as ``Objects.of``.
    """
    triples = zip(detections, tracks, sizes, strict=True)
    return Objects.concatenate([Objects.of(boxes, n, ids) for boxes, ids, n in triples])


def _fits(what: str, found: int, size: int) -> None:
    if found != size:
        raise ValueError(f"{what}: another number of rows than ids")
