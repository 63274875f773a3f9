"""Several small calls of ``record`` measured as one batch: numpy is slow on batches of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.arrays import as_numpy
from vigil.batch import as_metadata
from vigil.intake import Call

MAX_RECORDS = 512
_ARRAYS = ("images", "embeddings", "outputs")
_TEXTS = ("uris", "trace_ids")


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
    shapes = []
    for name in _ARRAYS:
        value = call.arguments.get(name)
        shape = tuple(getattr(value, "shape", ()))
        shapes.append(None if value is None else (str(getattr(value, "dtype", "")), shape[1:]))
    given = tuple(call.arguments.get(name) is None for name in ("latency_s", *_TEXTS))
    return call.version, call.custom_ids, *shapes, *given


def arguments_of(group: list[Call]) -> dict[str, Any]:
    """The arguments of ``make_batch`` for the records of all calls, end to end.

    Raises:
        ShapeError: metadata that does not fit its call; the calls are then measured one by one.
        ValueError: arrays that do not fit together.
    """
    if len(group) == 1:
        (call,) = group
        return {**call.arguments, "ids": call.ids, **_common(group)}
    joined: dict[str, Any] = {"ids": [one for call in group for one in call.ids]}
    for name in (*_ARRAYS, *_TEXTS, "latency_s"):
        values: list[Any] = [call.arguments.get(name) for call in group]
        if values[0] is None:
            continue
        if name in _TEXTS:
            joined[name] = _whole([text for value in values for text in value], name, joined)
        elif name == "latency_s":
            columns = [
                np.broadcast_to(as_numpy(value, name), len(call.ids))
                for value, call in zip(values, group, strict=True)
            ]
            joined[name] = np.concatenate(columns)
        else:
            rows = [as_numpy(value, name) for value in values]
            if any(len(r) != len(call.ids) for r, call in zip(rows, group, strict=True)):
                raise ValueError(f"{name}: another number of rows than ids")
            joined[name] = np.concatenate(rows)
    joined["metadata"] = [
        row for call in group for row in as_metadata(call.arguments.get("metadata"), len(call.ids))
    ]
    return {**joined, **_common(group)}


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
        "version": group[0].version,
        "custom_ids": group[0].custom_ids,
    }


def _whole(texts: list[Any], name: str, joined: dict[str, Any]) -> list[Any]:
    if len(texts) != len(joined["ids"]):
        raise ValueError(f"{name}: another number of texts than ids")
    return texts
