"""What ``Tap.record`` keeps of a call: copies, on a bounded queue, made without waiting."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vigil.objects import Objects

FIELDS = ("outputs", "embeddings", "images", "masks")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Call:
    """One call of ``record``: n inferences, their ids and the arguments as they were copied.

    ``ready`` are accelerator events after which the copies hold their values.
    """

    ids: list[str]
    first: int
    custom_ids: bool
    time_s: float
    version: str
    arguments: dict[str, Any]
    size: int
    ready: tuple[Any, ...] = ()

    def wait(self) -> None:
        for event in self.ready:
            event.synchronize()


class Intake:
    """A queue bounded in records and bytes; counts what it can't take, by reason."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records, self._max_bytes = max_records, max_bytes
        self._lock = threading.Lock()
        self._calls: deque[Call] = deque()
        self._records = self._bytes = 0
        self._next = 0
        self._lost: Counter[str] = Counter()
        self.recorded = 0

    @property
    def waiting(self) -> int:
        return self._records

    def may_hold(self, n: int) -> bool:
        """Whether n records could ever wait here; what could not is counted and needs no ids."""
        if 0 <= n <= self._max_records:
            return True
        self.lose("queue_full" if n > 0 else "bad_shape", max(1, min(n, self._max_records)))
        return False

    def number(self, n: int) -> int:
        """The first of n numbers that no other record has."""
        with self._lock:
            first, self._next = self._next, self._next + n
        return first

    def reserve(self, n: int, size: int) -> bool:
        """Room for n records of so many bytes, before they are copied."""
        with self._lock:
            if self._records + n > self._max_records or self._bytes + size > self._max_bytes:
                self._lost["queue_full"] += n
                return False
            self._records += n
            self._bytes += size
        return True

    def release(self, n: int, size: int) -> None:
        with self._lock:
            self._records -= n
            self._bytes -= size

    def put(self, call: Call) -> None:
        with self._lock:
            self.recorded += len(call.ids)
            self._calls.append(call)

    def lose(self, reason: str, n: int) -> None:
        with self._lock:
            self._lost[reason] += n

    def take(self) -> Call | None:
        with self._lock:
            return self._calls.popleft() if self._calls else None

    def lost(self, *, forget: bool = False) -> Counter[str]:
        with self._lock:
            lost = Counter(self._lost)
            if forget:
                self._lost.clear()
        return lost


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
    if isinstance(value, Mapping):
        value = value["counts"] if "counts" in value else next(iter(value.values()))
    if isinstance(value, Objects):
        return value.records
    shape = getattr(value, "shape", None)
    return int(shape[0]) if shape else len(value)


def bytes_of(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, Mapping):
        return sum(map(bytes_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(len(one) if isinstance(one, str) else bytes_of(one) for one in value)
    nbytes = getattr(value, "nbytes", None)
    return int(nbytes) if isinstance(nbytes, int) else 64


def copied(value: Any) -> tuple[Any, Any]:
    """A copy that later changes by the caller don't reach, and an event to wait for or None.

    A tensor on a GPU goes to pinned memory in its own stream's order, so the caller does not wait.
    """
    if value is None or isinstance(value, int | float | str):
        return value, None
    if isinstance(value, Mapping):
        pairs = {name: copied(one) for name, one in value.items()}
        events = [event for _, event in pairs.values() if event is not None]
        return {name: one for name, (one, _) in pairs.items()}, _Events(events) if events else None
    if isinstance(value, Objects):
        return value.copy(), None
    if isinstance(value, list | tuple) and any(isinstance(one, str | np.ndarray) for one in value):
        return [one if isinstance(one, str) else np.array(one) for one in value], None
    if hasattr(value, "detach") and hasattr(value, "clone"):
        tensor = value.detach()
        if not getattr(tensor, "is_cuda", False):
            return tensor.clone() if tensor.device.type == "cpu" else tensor.to("cpu"), None
        there = tensor.to("cpu", non_blocking=True)
        cuda = sys.modules["torch"].cuda
        return there, cuda.current_stream(tensor.device).record_event()
    return np.array(value), None


class _Events:
    """Several events as one."""

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def synchronize(self) -> None:
        for event in self._events:
            event.synchronize()


def copied_metadata(metadata: Any) -> Any:
    if metadata is None:
        return None
    if isinstance(metadata, Mapping):
        return {key: _copied_value(value) for key, value in metadata.items()}
    return [dict(row) for row in metadata]


def _copied_value(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, list | tuple) else value
