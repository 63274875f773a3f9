"""CloudEvents of KServe's payload logger: requests and responses as events of their own.

Read in binary mode (attributes in ``ce-`` headers), structured mode, and batches of it (CloudEvents
1.0, HTTP binding). A request and a response belong together by the event's id, and by whose logger
sent it: services that call each other may pass one id on.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor.proxy.json_text import parsed
from vigil.errors import WireError

REQUEST, RESPONSE = "request", "response"
_TYPES = {
    "org.kubeflow.serving.inference.request": REQUEST,
    "org.kubeflow.serving.inference.response": RESPONSE,
}
_MOST_WAITING = 10_000
_MOST_KNOWN = 100_000
_MOST_TEXT = 1024
_MOST_SAID = 16_384
_OVERHEAD = 1024
_WHOSE = ("inferenceservicename", "namespace", "component", "endpoint")
_HEADERS = ("inference-header-content-length", "content-encoding")


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One half of a call.

    ``id``: of the call, with whose it is; it means nothing else. ``time_s``: when the event says
    that it was made, None where it does not. ``said``: headers of the call that the logger was told
    to pass on (``metadataHeaders``), names in lower case.
    """

    id: bytes
    half: str
    service: str
    time_s: float | None
    headers: Mapping[str, str]
    data: bytes
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """Both halves of a call."""

    request: Event
    response: Event

    @property
    def latency_s(self) -> float | None:
        """Between the two events; None where either has no time, or their clocks differ."""
        if self.request.time_s is None or self.response.time_s is None:
            return None
        between_s = self.response.time_s - self.request.time_s
        return between_s if between_s >= 0 else None


def read(headers: Mapping[str, str], body: bytes) -> list[Event | WireError]:
    """The events of one POST; events of other types are left out.

    Args:
        headers: names in lower case.

    Returns:
        Events; of a batch also what is wrong with those that are none, for the others are good.

    Raises:
        WireError: no CloudEvent.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    found: list[Event | WireError | None]
    if kind == "application/cloudevents+json":
        found = [_structured(parsed(body))]
    elif kind == "application/cloudevents-batch+json":
        listed = parsed(body)
        if not isinstance(listed, list):
            raise WireError("a batch of CloudEvents: expected a list")
        found = [_of_batch(one) for one in listed]
    else:
        attributes = {k[3:]: v for k, v in headers.items() if k.startswith("ce-")}
        plain = {name: headers[name] for name in _HEADERS if name in headers}
        found = [_event(attributes, plain, body)]
    return [event for event in found if event is not None]


def _of_batch(plain: Any) -> Event | WireError | None:
    try:
        return _structured(plain)
    except WireError as error:
        return error


def _structured(plain: Any) -> Event | None:
    if not isinstance(plain, dict):
        raise WireError("a CloudEvent: expected an object")
    if "data_base64" in plain:
        try:
            data = base64.b64decode(plain["data_base64"], validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise WireError("a CloudEvent: data_base64 is not base64") from None
    elif isinstance(plain.get("data"), str):
        data = plain["data"].encode("utf-8", "replace")
    else:
        data = json.dumps(plain.get("data")).encode()
    attributes = {str(k).lower(): v for k, v in plain.items() if isinstance(v, str)}
    return _event(attributes, {}, data)


def _event(attributes: Mapping[str, str], headers: Mapping[str, str], data: bytes) -> Event | None:
    for name in ("id", "type", "source", "specversion"):
        if not attributes.get(name):
            raise WireError(f"a CloudEvent: no {name}")
    named = [attributes["id"], *(attributes.get(name, "") for name in _WHOSE)]
    if any(len(text) > _MOST_TEXT for text in named):
        raise WireError(f"a CloudEvent: a name of more than {_MOST_TEXT} characters")
    half = _TYPES.get(attributes["type"])
    if half is None:
        return None
    return Event(
        id=hashlib.sha256(json.dumps(named).encode()).digest(),
        half=half,
        service=attributes.get("inferenceservicename", ""),
        time_s=_time_s(attributes.get("time", "")),
        headers=headers,
        data=data,
        said=_said(attributes.get("metadata", "")),
    )


def _said(text: str) -> dict[str, str]:
    """Headers with their values, each a list; nothing where it is none of that, or too long."""
    try:
        plain = parsed(text.encode()) if 0 < len(text) <= _MOST_SAID else {}
    except (WireError, UnicodeEncodeError):
        return {}
    listed = plain.items() if isinstance(plain, dict) else ()
    return {k.lower(): ", ".join(map(str, v)) for k, v in listed if isinstance(v, list)}


class Halves:
    """Joins requests and responses, in whichever order they come; from any thread.

    Args:
        wait_s: how long a half waits for the other.
        most_bytes: of what waits; the oldest halves go first.
        counts: ``duplicate`` halves, ``request_missing`` and ``response_missing`` calls.
    """

    def __init__(
        self, counts: Counter[str], *, wait_s: float, most_bytes: int = 128 * 2**20
    ) -> None:
        self._counts, self._wait_s, self._most_bytes = counts, wait_s, most_bytes
        self._waiting: OrderedDict[bytes, tuple[float, Event]] = OrderedDict()
        self._bytes = 0
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Event, now_s: float) -> Joined | None:
        """The whole call, once its second half is here. A half that comes again is left out."""
        with self._lock:
            self._expire(now_s)
            return self._add(event, now_s)

    def expire(self, now_s: float) -> None:
        """Give up on halves that have waited too long."""
        with self._lock:
            self._expire(now_s)

    def _add(self, event: Event, now_s: float) -> Joined | None:
        waiting = self._waiting.get(event.id)
        if event.id in self._known or (waiting is not None and waiting[1].half == event.half):
            self._counts["duplicate"] += 1
            return None
        if waiting is None:
            self._waiting[event.id] = (now_s, event)
            self._bytes += _size(event)
            while self._bytes > self._most_bytes or len(self._waiting) > _MOST_WAITING:
                self._give_up()
            return None
        other = self._forget(event.id)
        self._known[event.id] = None
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        if event.half == RESPONSE:
            return Joined(request=other, response=event)
        return Joined(request=event, response=other)

    def _expire(self, now_s: float) -> None:
        while self._waiting:
            since_s, _ = next(iter(self._waiting.values()))
            if now_s - since_s < self._wait_s:
                return
            self._give_up()

    def _give_up(self) -> None:
        half = self._forget(next(iter(self._waiting))).half
        self._counts["response_missing" if half == REQUEST else "request_missing"] += 1

    def _forget(self, name: bytes) -> Event:
        _, event = self._waiting.pop(name)
        self._bytes -= _size(event)
        return event


def _size(event: Event) -> int:
    """What it takes to keep it, bytes."""
    texts = [*event.headers.values(), *event.said, *event.said.values()]
    return _OVERHEAD + len(event.data) + sum(map(len, texts))


def _time_s(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
