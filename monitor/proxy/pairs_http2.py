"""Calls on one HTTP/2 connection: a stream each, gRPC's way."""

from __future__ import annotations

from dataclasses import dataclass, field

from monitor.proxy.body import Body
from monitor.proxy.exchange import Exchange, Kind, Watching
from monitor.proxy.http2 import FrameReader

INFER = "/inference.GRPCInferenceService/ModelInfer"
_MOST_STREAMS = 1024
# CANCELLED, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, OUT_OF_RANGE, UNAUTHENTICATED
_CLIENTS = ("1", "3", "5", "7", "11", "16")


@dataclass(slots=True)
class _Stream:
    path: str
    request: Body
    response: Body
    request_headers: dict[str, str]
    response_headers: dict[str, str] = field(default_factory=dict)
    asked_s: float = 0.0
    time_s: float = 0.0
    has_answer: bool = False
    """The answer is complete."""

    @property
    def is_call(self) -> bool:
        return self.path == INFER

    def release(self) -> None:
        self.request.release()
        self.response.release()


class Http2Pairs:
    """Reads both directions of one connection."""

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self._streams: dict[int, _Stream] = {}
        self._from_client = FrameReader(_Client(self), from_client=True)
        self._from_server = FrameReader(_Server(self), from_client=False)

    def from_client(self, data: bytes) -> None:
        """Raises:
        UnreadableError: this is no HTTP/2.
        """
        self._from_client.feed(data)

    def from_server(self, data: bytes) -> None:
        """Raises:
        UnreadableError: as above.
        """
        self._from_server.feed(data)

    @property
    def is_idle(self) -> bool:
        """No call waits for its answer."""
        return not self._streams

    def closed(self) -> None:
        """Nothing more passes."""
        for stream in list(self._streams):
            self.reset(stream)

    def asked(self, stream: int, headers: dict[str, str]) -> None:
        if stream in self._streams:
            return
        path = headers.get(":path", "")
        kept = path == INFER
        if len(self._streams) >= _MOST_STREAMS:
            self._watching.counts["overload"] += kept
            return
        self._streams[stream] = _Stream(
            path=path,
            request=self._watching.new_body(kept),
            response=self._watching.new_body(kept),
            request_headers=headers if kept else {},
        )

    def request_ended(self, stream: _Stream) -> None:
        stream.asked_s, stream.time_s = self._watching.now_s(), self._watching.time_s()

    def answer_ended(self, number: int) -> None:
        """The server is done with it, whether the client is or not."""
        stream = self._streams.pop(number)
        if not stream.is_call:
            self._watching.counts["passed"] += 1
            return
        asked_s = stream.asked_s or self._watching.now_s()
        exchange = Exchange(
            kind=Kind.GRPC,
            path=stream.path,
            request_headers=stream.request_headers,
            response_headers=stream.response_headers,
            request=stream.request,
            response=stream.response,
            time_s=stream.time_s or self._watching.time_s(),
            latency_s=max(0.0, self._watching.now_s() - asked_s),
        )
        status = stream.response_headers.get("grpc-status")
        self._watching.settle(
            exchange, "" if status == "0" else "refused" if status in _CLIENTS else "failed"
        )

    def reset(self, number: int) -> None:
        """Cancelled, or cut off."""
        stream = self._streams.pop(number, None)
        if stream is not None:
            stream.release()
            if stream.is_call:
                self._watching.counts["cut_off"] += 1

    def get(self, number: int) -> _Stream | None:
        return self._streams.get(number)


class _Client:
    """What the client sends."""

    def __init__(self, pairs: Http2Pairs) -> None:
        self._pairs = pairs

    def headers(self, stream: int, headers: dict[str, str], *, ends: bool) -> None:
        self._pairs.asked(stream, headers)
        self._end(stream, ends)

    def data(self, stream: int, part: memoryview, *, ends: bool) -> None:
        known = self._pairs.get(stream)
        if known is not None and part:
            known.request.add(part)
        self._end(stream, ends)

    def reset(self, stream: int) -> None:
        self._pairs.reset(stream)

    def _end(self, stream: int, ends: bool) -> None:
        known = self._pairs.get(stream)
        if ends and known is not None:
            self._pairs.request_ended(known)


class _Server:
    """What the server sends: headers, data, trailers."""

    def __init__(self, pairs: Http2Pairs) -> None:
        self._pairs = pairs

    def headers(self, stream: int, headers: dict[str, str], *, ends: bool) -> None:
        known = self._pairs.get(stream)
        if known is None:
            return
        if known.is_call:
            known.response_headers.update(headers)
        if ends:
            self._pairs.answer_ended(stream)

    def data(self, stream: int, part: memoryview, *, ends: bool) -> None:
        known = self._pairs.get(stream)
        if known is None:
            return
        if part:
            known.response.add(part)
        if ends:
            self._pairs.answer_ended(stream)

    def reset(self, stream: int) -> None:
        # A server may reset a stream that it answered in full: then it is no longer known.
        self._pairs.reset(stream)
