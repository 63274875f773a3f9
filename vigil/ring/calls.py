"""A call of ``record``, as it comes out of the ring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigil.ring.mark import NOWHERE, Mark
from vigil.values.objects import Objects

FIELDS = ("outputs", "embeddings", "images", "masks")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Call:
    """n inferences: their ids, the arguments as they were copied, and where the ring goes on."""

    ids: Sequence[str]
    first: int
    custom_ids: bool
    time_s: float
    version: str
    arguments: dict[str, Any]
    mark: Mark = NOWHERE


def rows_of(arguments: Mapping[str, Any], ids: Sequence[str] | None) -> int:
    """How many inferences a call holds.

    Raises:
        TypeError: nothing in it has a length.
    """
    for name in FIELDS:
        value = arguments.get(name)
        if value is not None:
            return _length(value)
    if ids is not None:
        return len(ids)
    for name in ("latency_s", "texts", "uris", "trace_ids", "detections"):
        value = arguments.get(name)
        if value is not None and not isinstance(value, int | float):
            return _length(value)
    raise TypeError("expected images, embeddings, outputs, masks, texts, detections or ids")


def _length(value: Any) -> int:
    """Records of an array, a list, boxes, or a mapping of arrays."""
    shape = getattr(value, "shape", None)
    if shape:
        return int(shape[0])
    if isinstance(value, Mapping):
        value = value["counts"] if "counts" in value else next(iter(value.values()))
    if isinstance(value, Objects):
        return value.records
    shape = getattr(value, "shape", None)
    return int(shape[0]) if shape else len(value)
