"""Several small calls of ``record`` measured as one batch: numpy is slow on batches of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.measuring.joining import form_of, joined, objects_of
from vigil.ring.calls import Call
from vigil.values.texts import as_metadata

MAX_RECORDS = 512
_OBJECTS = ("detections", "tracks")
_JOINED = (
    "images",
    "embeddings",
    "outputs",
    "masks",
    "texts",
    "signals",
    "stages_s",
    "latency_s",
    "uris",
    "trace_ids",
)


def groups(calls: Iterable[Call]) -> Iterator[list[Call]]:
    """Calls in order, neighbours of one form together, up to 512 records a group."""
    group: list[Call] = []
    form: object = None
    records = 0
    for call in calls:
        own = _form(call)
        if group and (own != form or records + len(call.ids) > MAX_RECORDS):
            yield group
            group, records = [], 0
        group.append(call)
        form = own
        records += len(call.ids)
    if group:
        yield group


def _form(call: Call) -> object:
    """What calls must share to be joined."""
    shapes = [form_of(call.arguments.get(name)) for name in _JOINED]
    boxes = tuple(call.arguments.get(name) is None for name in _OBJECTS)
    return call.version, call.custom_ids, boxes, *shapes


def arguments_of(group: list[Call]) -> dict[str, Any]:
    """The arguments of ``make_batch`` for the records of all calls, end to end.

    Raises:
        ShapeError: metadata that does not fit its call; the calls are then measured one by one.
        ValueError: arrays that do not fit together.
    """
    if len(group) == 1:
        (call,) = group
        return {**call.arguments, "ids": call.ids, **_common(group)}
    sizes = sizes_of(group)
    together: dict[str, Any] = {"ids": [one for call in group for one in call.ids]}
    for name in _JOINED:
        values: list[Any] = [call.arguments.get(name) for call in group]
        if values[0] is not None:
            together[name] = joined(name, values, sizes)
    detections, tracks = ([call.arguments.get(name) for call in group] for name in _OBJECTS)
    if detections[0] is not None:
        together["detections"] = objects_of(detections, tracks, sizes)
    together["metadata"] = [
        row for call in group for row in as_metadata(call.arguments.get("metadata"), len(call.ids))
    ]
    return {**together, **_common(group)}


def sizes_of(group: list[Call]) -> list[int]:
    """Records of each call."""
    return [len(call.ids) for call in group]


def _common(group: list[Call]) -> dict[str, Any]:
    counters: list[NDArray[np.uint64]] = []
    times: list[NDArray[np.float64]] = []
    for call in group:
        n = len(call.ids)
        counters.append(np.arange(call.first, call.first + n, dtype=np.uint64))
        times.append(np.full(n, call.time_s))
    return {
        "counter": np.concatenate(counters),
        "time_s": np.concatenate(times),
        "batch_size": np.repeat([float(len(call.ids)) for call in group], sizes_of(group)),
        "version": group[0].version,
        "custom_ids": group[0].custom_ids,
    }
