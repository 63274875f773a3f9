"""Requests and responses of one HTTP/1.1 connection, matched by their order."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from monitor.proxy.body import Body
from monitor.proxy.exchange import Exchange, Kind, Watching
from monitor.proxy.http1 import Message, MessageReader, UnreadableError

_V2 = re.compile(r"/v2/models/[^/?]+(?:/versions/[^/?]+)?/infer(?:\?.*)?")
_V1 = re.compile(r"/v1/models/[^/?:]+(?:/versions/[^/?:]+)?:predict(?:\?.*)?")
_BODILESS = ("204", "304")
_MOST_OPEN = 256
"""Requests on one connection that wait for their answers."""


def kind_of(method: str, target: str) -> Kind | None:
    """What a request asks for; None where it is not recorded."""
    if method != "POST":
        return None
    if _V2.fullmatch(target):
        return Kind.V2
    return Kind.V1 if _V1.fullmatch(target) else None


@dataclass(slots=True)
class _Asked:
    method: str
    kind: Kind | None
    time_s: float = 0.0
    message: Message | None = None


class Http1Pairs:
    """Reads both directions of one connection."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._open: deque[_Asked] = deque()
        self._requests = MessageReader(
            is_request=True, start=self._request_began, done=self._request_ended
        )
        self._responses = MessageReader(
            is_request=False, start=self._response_began, done=self._response_ended
        )

    def from_client(self, data: bytes) -> None:
        """Raises:
        UnreadableError: this is no HTTP/1.1, or it is over (``Upgrade``).
        """
        if self._responses.is_opaque:
            raise UnreadableError("another protocol from here")
        self._requests.feed(data, self._watching.now_s())

    def from_server(self, data: bytes) -> None:
        """Raises:
        UnreadableError: as above.
        """
        self._responses.feed(data, self._watching.now_s())

    @property
    def is_idle(self) -> bool:
        """No request waits for its answer."""
        return not self._open

    def closed(self) -> None:
        """Nothing more passes."""
        now_s = self._watching.now_s()
        self._responses.closed(now_s)
        self._requests.closed(now_s)
        for asked in self._open:
            if asked.kind is not None:
                self._watching.counts["cut_off"] += 1
            if asked.message is not None:
                asked.message.body.release()
        self._open.clear()

    def _request_began(self, line: tuple[str, ...], headers: dict[str, str]) -> tuple[Body, bool]:
        if len(self._open) >= _MOST_OPEN:
            raise UnreadableError("too many requests without an answer")
        kind = kind_of(line[0], line[1])
        self._open.append(_Asked(line[0], kind))
        return self._watching.new_body(kind is not None), True

    def _request_ended(self, message: Message) -> None:
        if self._open and self._open[-1].message is None:
            self._open[-1].message = message
            self._open[-1].time_s = self._watching.time_s()
        else:
            message.body.release()

    def _response_began(self, line: tuple[str, ...], headers: dict[str, str]) -> tuple[Body, bool]:
        if not self._open:
            raise UnreadableError("an answer to no request")
        asked = self._open[0]
        kept = asked.kind is not None and line[1] == "200"
        has_body = asked.method != "HEAD" and line[1] not in _BODILESS
        return self._watching.new_body(kept), has_body

    def _response_ended(self, message: Message) -> None:
        asked = self._open.popleft()
        if asked.kind is None:
            self._watching.counts["passed"] += 1
            return
        if asked.message is None:
            # Refused before all of it was sent: the rest, should it come, is not kept.
            self._watching.counts["calls"] += 1
            self._watching.counts["failed" if message.status >= 500 else "refused"] += 1
            message.body.release()
            return
        exchange = Exchange(
            kind=asked.kind,
            path=asked.message.line[1],
            request_headers=asked.message.headers,
            response_headers=message.headers,
            request=asked.message.body,
            response=message.body,
            time_s=asked.time_s,
            latency_s=max(0.0, message.ended_s - asked.message.ended_s),
        )
        status = message.status
        self._watching.settle(
            exchange, "failed" if status >= 500 else "refused" if status != 200 else ""
        )
