"""HTTP/1.1 messages of one direction, read from the bytes that pass (RFC 9112).

It only looks on: what it misreads is not recorded, and never forwarded otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from monitor.proxy.body import Body

HEAD_LIMIT = 64 * 1024
_LINE_LIMIT = 1024
MOST_STEPS = 16_384
"""In one piece from the socket. Heads and chunks of few bytes take more time to read than to
forward, and other connections wait for that."""

_STATUS = re.compile(r"[0-9]{3}")
_DECIMAL = re.compile(r"[0-9]{1,18}")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}")
"""Digits alone: a size below zero would never be used up."""


class UnreadableError(Exception):
    """Bytes that are no such message; the connection is watched no more."""


@dataclass(slots=True)
class Message:
    """One request or response. ``headers``: names in lower case; repeated ones joined by commas.

    ``began_s`` and ``ended_s``: when its first and last byte came, on the caller's clock.
    """

    line: tuple[str, ...]
    headers: dict[str, str]
    body: Body
    began_s: float
    ended_s: float = 0.0

    @property
    def is_old(self) -> bool:
        """Of a request: whether it is HTTP/1.0, where a connection is for one of them."""
        return self.line[-1] == "HTTP/1.0"

    @property
    def status(self) -> int:
        """Of a response."""
        return int(self.line[1])


class MessageReader:
    """Reads messages one after another.

    Args:
        start: called with a message whose head is there; makes its body, and says whether it has
            one (a response to HEAD has none).
        done: called when the message is complete.
    """

    def __init__(
        self,
        *,
        is_request: bool,
        start: Callable[[tuple[str, ...], dict[str, str]], tuple[Body, bool]],
        done: Callable[[Message], None],
    ) -> None:
        self._is_request, self._start, self._done = is_request, start, done
        self._step = self._head
        self._text = bytearray()
        self._left = 0
        self._now_s = self._began_s = 0.0
        self._message: Message | None = None
        self.is_opaque = False

    def feed(self, data: bytes, now_s: float) -> None:
        """Raises:
        UnreadableError: this is no HTTP/1.1.
        """
        self._now_s = now_s
        view = memoryview(data)
        for _ in range(MOST_STEPS):
            if not view:
                return
            view = self._step(view)
        if view:
            raise UnreadableError("too many small parts")

    def closed(self, now_s: float) -> bool:
        """The other side sends no more; whether that is fine here."""
        self._now_s = now_s
        if self._step == self._rest and self._message is not None:
            self._finish()
            return True
        if self._message is not None:
            self._message.body.drop("cut_off")
            return False
        return not self._text

    def _head(self, view: memoryview) -> memoryview:
        if not self._text:
            self._began_s = self._now_s
        before = len(self._text)
        self._text += view[: HEAD_LIMIT - before + 4]
        end = self._text.find(b"\r\n\r\n", max(0, before - 3))
        if end < 0:
            if len(self._text) >= HEAD_LIMIT:
                raise UnreadableError("a head of more than 64 KiB")
            return view[len(view) :]
        text = bytes(self._text[:end]).lstrip(b"\r\n").decode("latin-1")
        self._text.clear()
        self._begin(text)
        return view[end + 4 - before :]

    def _begin(self, text: str) -> None:
        first, *lines = text.split("\r\n")
        words = tuple(first.split(" ", 2))
        wanted = words[-1] if self._is_request else words[0]
        if len(words) < 2 or not wanted.startswith("HTTP/1."):
            raise UnreadableError("not a line of HTTP/1")
        if not self._is_request and not _STATUS.fullmatch(words[1]):
            raise UnreadableError("a status that is no number")
        listed: dict[str, list[str]] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise UnreadableError("a header without a colon")
            listed.setdefault(name.strip().lower(), []).append(value.strip())
        headers = {name: ", ".join(values) for name, values in listed.items()}
        if not self._is_request and words[1].startswith("1"):
            self._interim(words[1])
            return
        body, may_have_body = self._start(words, headers)
        self._message = Message(words, headers, body, self._began_s)
        self._frame(headers, may_have_body)

    def _interim(self, status: str) -> None:
        """``100 Continue`` and the like come before the response; 101 ends HTTP here."""
        if status == "101":
            self.is_opaque = True
            self._step = self._ignored

    def _frame(self, headers: dict[str, str], may_have_body: bool) -> None:
        """How the body's end is told (RFC 9112, section 6.3)."""
        length = headers.get("content-length")
        if not may_have_body:
            self._finish()
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            self._step = self._chunk_line
        elif length is not None:
            self._left = _length(length)
            self._step = self._sized
            if self._left == 0:
                self._finish()
        elif self._is_request:
            self._finish()
        else:
            self._step = self._rest

    def _sized(self, view: memoryview) -> memoryview:
        rest = self._take(view)
        if self._left == 0:
            self._finish()
        return rest

    def _take(self, view: memoryview) -> memoryview:
        assert self._message is not None
        part = view[: self._left]
        self._message.body.add(part)
        self._left -= len(part)
        return view[len(part) :]

    def _rest(self, view: memoryview) -> memoryview:
        assert self._message is not None
        self._message.body.add(view)
        return view[len(view) :]

    def _line(self, view: memoryview) -> tuple[bytes | None, memoryview]:
        """The next line without its end, None where it is not complete; and what follows."""
        before = len(self._text)
        self._text += view[: _LINE_LIMIT - before + 2]
        end = self._text.find(b"\r\n", max(0, before - 1))
        if end < 0:
            if len(self._text) >= _LINE_LIMIT:
                raise UnreadableError("a line of more than 1 KiB between chunks")
            return None, view[len(view) :]
        line = bytes(self._text[:end])
        self._text.clear()
        return line, view[end + 2 - before :]

    def _chunk_line(self, view: memoryview) -> memoryview:
        line, rest = self._line(view)
        if line is None:
            return rest
        size = line.partition(b";")[0].strip()
        if not _HEX.fullmatch(size):
            raise UnreadableError("a chunk without a size")
        self._left = int(size, 16)
        self._step = self._chunk if self._left else self._trailer
        return rest

    def _chunk(self, view: memoryview) -> memoryview:
        rest = self._take(view)
        if self._left == 0:
            self._step = self._chunk_end
        return rest

    def _chunk_end(self, view: memoryview) -> memoryview:
        line, rest = self._line(view)
        if line is not None:
            self._step = self._chunk_line
        return rest

    def _trailer(self, view: memoryview) -> memoryview:
        line, rest = self._line(view)
        if line == b"":
            self._finish()
        return rest

    def _ignored(self, view: memoryview) -> memoryview:
        return view[len(view) :]

    def _finish(self) -> None:
        message, self._message = self._message, None
        self._step = self._ignored if self.is_opaque else self._head
        assert message is not None
        message.ended_s = self._now_s
        self._done(message)


def _length(text: str) -> int:
    """Of a header that may have come twice, with one and the same value (RFC 9112, 6.3)."""
    found = {one.strip() for one in text.split(",")}
    if len(found) > 1 or not all(map(_DECIMAL.fullmatch, found)):
        raise UnreadableError("a length that is no number")
    return int(found.pop())
