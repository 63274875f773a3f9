"""HTTP/2 frames of one direction, read from the bytes that pass (RFC 9113)."""

from __future__ import annotations

import struct
from typing import Protocol

from hpack import Decoder, HPACKError

from monitor.proxy.http1 import UnreadableError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _PUSH_PROMISE, _CONTINUATION = 0, 1, 3, 5, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_MOST_HEADERS = 64 * 1024
_MOST_TABLE = 2**20
_MOST_FRAMES = 8192
"""In one piece from the socket: as ``http1.MOST_STEPS``."""
_FRAME = 9
_NOTHING = memoryview(b"")


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
        self._decoder.max_allowed_table_size = _MOST_TABLE
        self._preface = PREFACE if from_client else b""
        self._head = bytearray()
        self._kind = self._flags = self._stream = self._left = 0
        self._pad: int | None = 0
        self._whole: bytearray | None = None
        self._block: bytearray | None = None
        self._block_ends = False

    def feed(self, data: bytes) -> None:
        """Raises:
        UnreadableError: this is no HTTP/2.
        """
        view = memoryview(data)
        if self._preface:
            first, view = view[: len(self._preface)], view[len(self._preface) :]
            if first != self._preface[: len(first)]:
                raise UnreadableError("another protocol")
            self._preface = self._preface[len(first) :]
        for _ in range(2 * _MOST_FRAMES):
            if not view:
                return
            view = self._payload(view) if self._in_payload else self._frame_head(view)
        if view:
            raise UnreadableError("too many small frames")

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
            # A body's frame is handed on piece by piece, headers are gathered, the rest is skipped.
            gathered = self._kind in (_HEADERS, _CONTINUATION)
            if gathered and self._left > _MOST_HEADERS:
                raise UnreadableError("headers of more than 64 KiB")
            self._whole = bytearray() if gathered else None
            self._pad = None if self._kind == _DATA and self._flags & _PADDED else 0
            if self._left == 0:
                self._frame_end()
        return view[len(part) :]

    def _payload(self, view: memoryview) -> memoryview:
        part = view[: self._left]
        self._left -= len(part)
        if self._whole is not None:
            self._whole += part
        elif self._kind == _DATA:
            self._body(part)
        if self._left == 0:
            self._frame_end()
        return view[len(part) :]

    def _body(self, part: memoryview) -> None:
        """A piece of a frame's data, without what pads it."""
        rest = part
        if self._pad is None:
            self._pad, rest = part[0], part[1:]
            if self._pad > len(rest) + self._left:
                raise UnreadableError("more padding than frame")
        rest = rest[: max(0, len(rest) + self._left - self._pad)]
        if rest:
            self._streams.data(self._stream, rest, ends=False)

    def _frame_end(self) -> None:
        self._head.clear()
        ends = bool(self._flags & _END_STREAM)
        if self._kind == _DATA:
            if self._pad is None:
                raise UnreadableError("padding that is not there")
            if ends:
                self._streams.data(self._stream, _NOTHING, ends=True)
        elif self._kind == _HEADERS:
            block = self._unpadded(memoryview(self._whole or b""))
            self._block = bytearray(block[5:] if self._flags & _PRIORITY else block)
            self._block_ends = ends
            self._headers_end()
        elif self._kind == _CONTINUATION:
            if self._block is None:
                raise UnreadableError("headers that go on and never began")
            self._block += self._whole or b""
            self._headers_end()
        elif self._kind == _RST_STREAM:
            self._streams.reset(self._stream)
        elif self._kind == _PUSH_PROMISE:
            # Its headers change how later ones are packed.
            raise UnreadableError("an answer to no request")

    def _unpadded(self, payload: memoryview) -> memoryview:
        if not self._flags & _PADDED:
            return payload
        if not payload or payload[0] >= len(payload):
            raise UnreadableError("more padding than frame")
        return payload[1 : len(payload) - payload[0]]

    def _headers_end(self) -> None:
        block = self._block
        assert block is not None
        if len(block) > _MOST_HEADERS:
            raise UnreadableError("headers of more than 64 KiB")
        if not self._flags & _END_HEADERS:
            return
        self._block = None
        try:
            pairs = self._decoder.decode(bytes(block))
        except HPACKError as error:
            raise UnreadableError(f"headers: {error}") from None
        headers = {_text(name): _text(value) for name, value in pairs}
        self._streams.headers(self._stream, headers, ends=self._block_ends)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
