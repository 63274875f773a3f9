"""The proxy's own address: ``/healthz``, ``/metrics``, and ``/cloudevents`` for payload loggers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from monitor.proxy.body import Body
from monitor.proxy.exchange import Exchange, Kind, Watching
from monitor.proxy.http1 import Message, MessageReader, UnreadableError
from monitor.proxy.proxy_metrics import CONTENT_TYPE

IDLE_S = 120.0
_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    503: "Service Unavailable",
}


class Own(asyncio.Protocol):
    """One connection.

    Args:
        health: what ``/healthz`` says.
        metrics: what ``/metrics`` shows.
    """

    def __init__(
        self,
        watching: Watching,
        *,
        health: Callable[[], dict[str, Any]],
        metrics: Callable[[], bytes],
    ) -> None:
        self._watching, self._health, self._metrics = watching, health, metrics
        self._reader = MessageReader(is_request=True, start=self._started, done=self._done)
        self._answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.cancel()
        self._reader.closed(0.0)

    def pause_writing(self) -> None:
        """Who does not read its answers asks no more."""
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._answered = False
        try:
            self._reader.feed(data, self._watching.now_s())
        except UnreadableError as error:
            self._answer(400, f"{error}\n".encode())
            self._transport.close()

    def _started(self, line: tuple[str, ...], headers: dict[str, str]) -> tuple[Body, bool]:
        if headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._watching.new_body(line[0] == "POST"), True

    def _done(self, message: Message) -> None:
        if self._answered:
            message.body.release()
            raise UnreadableError("one request at a time: pages are made in the way of calls")
        self._answered = True
        method, path = message.line[0], message.line[1].partition("?")[0]
        if path == "/cloudevents":
            status, body, kind = *self._event(method, message), "text/plain"
        elif method not in ("GET", "HEAD"):
            status, body, kind = 405, b"GET only\n", "text/plain"
        elif path == "/healthz":
            status, body, kind = 200, json.dumps(self._health()).encode(), "application/json"
        elif path == "/metrics":
            status, body, kind = 200, self._metrics(), CONTENT_TYPE
        else:
            status, body, kind = 404, b"/healthz, /metrics, /cloudevents\n", "text/plain"
        if path != "/cloudevents" or status != 202:
            message.body.release()
        self._answer(status, body, kind, with_body=method != "HEAD")
        if message.headers.get("connection", "").lower() == "close" or message.is_old:
            self._transport.close()
        self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._transport.abort)

    def _event(self, method: str, message: Message) -> tuple[int, bytes]:
        """Taken now, read later: a logger is not kept waiting."""
        if method != "POST":
            return 405, b"POST only\n"
        if message.body.lost:
            self._watching.counts[message.body.lost] += 1
            too_large = message.body.lost == "too_large"
            return (413, b"too large\n") if too_large else (503, b"overloaded\n")
        exchange = Exchange(
            kind=Kind.EVENT,
            path="/cloudevents",
            request_headers=message.headers,
            response_headers={},
            request=message.body,
            response=self._watching.new_body(False),
            time_s=self._watching.time_s(),
            latency_s=0.0,
        )
        if not self._watching.hand_on(exchange):
            return 503, b"overloaded\n"
        self._watching.counts["events"] += 1
        return 202, b""

    def _answer(
        self, status: int, body: bytes, kind: str = "text/plain", *, with_body: bool = True
    ) -> None:
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + (body if with_body else b""))
