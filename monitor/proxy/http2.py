"""HTTP/2 frames of one direction, read from the bytes that pass (RFC 9113)."""

from __future__ import annotations

import struct
from typing import Protocol

from hpack import Decoder, HPACKError

from monitor.proxy.http1 import UnreadableError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _GOAWAY, _CONTINUATION = 0, 1, 3, 7, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_MOST_HEADERS = 2**20
_FRAME = 9


class Streams(Protocol):
    """What is told of each stream of one direction."""

    def headers(self, stream: int, headers: dict[str, str], *, ends: bool) -> None: ...

    def data(self, stream: int, part: memoryview, *, ends: bool) -> None: ...

    def reset(self, stream: int) -> None: ...


class FrameReader:
    """Walks over the frames. Bodies are handed on as views; headers are decoded in order.

    Args:
        from_client: whether the connection's preface comes first.
    """

    def __init__(self, streams: Streams, *, from_client: bool) -> None:
        self._streams = streams
        self._decoder = Decoder(max_header_list_size=_MOST_HEADERS)
        self._decoder.max_allowed_table_size = _MOST_HEADERS
        self._to_skip = len(PREFACE) if from_client else 0
        self._head = bytearray()
        self._kind = self._flags = self._stream = self._left = 0
        self._pad = 0
        self._whole: bytearray | None = None
        self._block = bytearray()
        self._block_ends = False

    def feed(self, data: bytes) -> None:
        """Raises:
        UnreadableError: this is no HTTP/2.
        """
        view = memoryview(data)
        if self._to_skip:
            skipped = min(self._to_skip, len(view))
            self._to_skip -= skipped
            view = view[skipped:]
        while view:
            view = self._payload(view) if self._in_payload else self._frame_head(view)

    @property
    def _in_payload(self) -> bool:
        return len(self._head) == _FRAME

    def _frame_head(self, view: memoryview) -> memoryview:
        part = view[: _FRAME - len(self._head)]
        self._head += part
        if self._in_payload:
            high, low, self._kind, self._flags, stream = struct.unpack(">BHBBI", self._head)
            self._left = (high << 16) | low
            self._stream = stream & 0x7FFFFFFF
            # A body's frame is handed on piece by piece; the others, and padded ones, are gathered.
            in_pieces = self._kind == _DATA and not self._flags & _PADDED
            self._whole = None if in_pieces else bytearray()
            if self._left == 0:
                self._frame_end(memoryview(b""))
        return view[len(part) :]

    def _payload(self, view: memoryview) -> memoryview:
        part = view[: self._left]
        self._left -= len(part)
        if self._whole is not None:
            self._whole += part
            if self._left == 0:
                self._frame_end(memoryview(bytes(self._whole)))
        elif self._left:
            self._streams.data(self._stream, part, ends=False)
        else:
            self._frame_end(part)
        return view[len(part) :]

    def _frame_end(self, payload: memoryview) -> None:
        self._head.clear()
        ends = bool(self._flags & _END_STREAM)
        if self._kind == _DATA:
            self._streams.data(self._stream, self._unpadded(payload), ends=ends)
        elif self._kind == _HEADERS:
            block = self._unpadded(payload)
            self._block = bytearray(block[5:] if self._flags & _PRIORITY else block)
            self._block_ends = ends
            self._headers_end()
        elif self._kind == _CONTINUATION:
            self._block += payload
            self._headers_end()
        elif self._kind == _RST_STREAM:
            self._streams.reset(self._stream)

    def _unpadded(self, payload: memoryview) -> memoryview:
        if not self._flags & _PADDED:
            return payload
        if not payload or payload[0] >= len(payload):
            raise UnreadableError("more padding than frame")
        return payload[1 : len(payload) - payload[0]]

    def _headers_end(self) -> None:
        if len(self._block) > _MOST_HEADERS:
            raise UnreadableError("headers of more than 1 MiB")
        if not self._flags & _END_HEADERS:
            return
        try:
            pairs = self._decoder.decode(bytes(self._block))
        except HPACKError as error:
            raise UnreadableError(f"headers: {error}") from None
        headers = {_text(name): _text(value) for name, value in pairs}
        self._streams.headers(self._stream, headers, ends=self._block_ends)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
