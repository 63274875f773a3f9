"""Decodes calls and hands them to the tap: what the recording process does with each."""

from __future__ import annotations

import logging
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.proxy import cloud_events, payload_grpc, payload_v2
from monitor.proxy.call_clock import CallClock
from monitor.proxy.cloud_events import Halves, Joined
from monitor.proxy.exchange import Kind
from monitor.proxy.json_text import parsed
from monitor.proxy.mapping import arguments
from monitor.proxy.seldom import Seldom
from monitor.proxy.spec import Recorded
from monitor.proxy.tensors import Call
from vigil.errors import ShapeError, WireError
from vigil.recording.tracing import trace_id_of
from vigil.tap import Tap

log = logging.getLogger("vigil.proxy")
_MOST_TOLD = 200
Readings = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """One model: how its calls are read, and where they go.

    ``readings``: signals that hold for all records of now, such as of the hardware.
    """

    recorded: Recorded
    tap: Tap
    readings: Readings = dict


class Records:
    """Counts by what became of each call: ``recorded`` (records, not calls), ``malformed``,
    ``other_model``, ``bad_tensors``, ``error``, and those of ``cloud_events.Halves``; ``recorded``
    also by model.

    Args:
        lanes: the models, by their names in the server.
        clock: that of the taps.
    """

    def __init__(self, lanes: Mapping[str, Lane], *, clock: CallClock, pair_wait_s: float) -> None:
        self._lanes, self._clock = lanes, clock
        self.counts: Counter[str] = Counter()
        self.recorded: Counter[str] = Counter()
        self.halves = Halves(self.counts, wait_s=pair_wait_s)
        self.problem = ""
        self._says_error = Seldom()

    def take(
        self, description: Mapping[str, Any], request: memoryview, response: memoryview
    ) -> None:
        """One call, or one POST of events. Never raises."""
        with self._clock.at(description["time_s"]), self._losing():
            self._take(description, request, response)

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """A call that can't be recorded is counted, by its reason."""
        try:
            yield
        except WireError as error:
            self._lose("malformed", error)
        except ShapeError as error:
            self._lose("bad_tensors", error)
        except Exception as error:
            self._lose("error", error)
            if self._says_error.is_due():
                log.exception("a call was not recorded")

    def _take(
        self, description: Mapping[str, Any], request: memoryview, response: memoryview
    ) -> None:
        if description["kind"] == Kind.EVENT:
            self._events(description["request_headers"], request)
            return
        call = _read(lambda: _decoded(description, request, response))
        self._record(call, description["latency_s"], description["request_headers"])

    def expire(self) -> None:
        """Give up on halves that wait too long."""
        self.halves.expire(time.monotonic())

    def _events(self, headers: Mapping[str, str], body: memoryview) -> None:
        """Each by itself: one of a batch that can't be read costs no other."""
        for event in cloud_events.read(headers, bytes(body)):
            with self._losing():
                if isinstance(event, WireError):
                    raise event
                joined = self.halves.add(event, time.monotonic())
                if joined is not None:
                    self._joined(joined)

    def _joined(self, joined: Joined) -> None:
        self._record(_read(lambda: _from_events(joined)), joined.latency_s, joined.request.said)

    def _record(self, call: Call, latency_s: float | None, headers: Mapping[str, str]) -> None:
        lane = self._lanes.get(call.model)
        if lane is None:
            self.counts["other_model"] += 1
            return
        how = lane.recorded
        n, given = arguments(call, how.tensors)
        readings = lane.readings()
        if readings:
            given["signals"] = {**readings, **given.get("signals", {})}
        metadata = {key: headers[name] for name, key in how.headers.items() if name in headers}
        metadata |= {k: str(call.parameters[k]) for k in how.parameters if k in call.parameters}
        trace = trace_id_of(headers.get("traceparent", ""))
        ids = None if how.own_ids or not call.id else _ids(call.id, n)
        lane.tap.record(
            **given,
            latency_s=np.full(n, np.nan if latency_s is None else latency_s),
            metadata=metadata or None,
            trace_ids=[trace] * n if trace else None,
            ids=ids,
            version=how.version_name.replace("{version}", call.version) if call.version else None,
        )
        self.counts["recorded"] += n
        self.recorded[how.served_name] += n

    def _lose(self, why: str, error: Exception) -> None:
        self.counts[why] += 1
        self.problem = f"{why}: {error}"[:_MOST_TOLD]


def _ids(name: str, n: int) -> list[str]:
    """A request's id names its record, or with a number each of its records."""
    return [name] if n == 1 else [f"{name}.{i}" for i in range(n)]


def _read(decode: Callable[[], Call]) -> Call:
    """Raises:
    WireError: whatever a decoder stumbles over lies in bytes that anyone may send.
    """
    try:
        return decode()
    except (RecursionError, TypeError, ValueError, OverflowError, struct.error) as error:
        raise WireError(f"can't be read: {error}") from None


def _decoded(description: Mapping[str, Any], request: memoryview, response: memoryview) -> Call:
    asked, answered = description["request_headers"], description["response_headers"]
    match description["kind"]:
        case Kind.GRPC:
            return payload_grpc.decode(asked, request, answered, response)
        case Kind.V1:
            return payload_v2.decode_v1(
                description["path"],
                payload_v2.unpacked(asked, request),
                payload_v2.unpacked(answered, response),
            )
        case _:
            return payload_v2.decode(description["path"], asked, request, answered, response)


def _from_events(joined: Joined) -> Call:
    asked, answered = joined.request, joined.response
    request, response = memoryview(asked.data), memoryview(answered.data)
    path = f"/v2/models/{asked.service or answered.service}/infer"
    if asked.headers or answered.headers or _is_v2(asked.data):
        return payload_v2.decode(path, asked.headers, request, answered.headers, response)
    return payload_v2.decode_v1(path, request, response)


def _is_v2(data: bytes) -> bool:
    try:
        plain = parsed(data)
    except WireError:
        return False
    return isinstance(plain, dict) and "inputs" in plain
