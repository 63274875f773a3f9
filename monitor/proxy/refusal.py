"""What an HTTP client is told while the server behind the proxy is away."""

from __future__ import annotations

import asyncio

from monitor.proxy.body import Body, Budget
from monitor.proxy.http1 import Message, MessageReader, UnreadableError

LINGER_S = 5.0


class Refusal:
    """Stands where the server would be: reads one request to its end and answers 502.

    The request is read first, because closing with bytes unread would reset the connection, and the
    client might never see the answer.
    """

    def __init__(self, client: asyncio.Transport, text: str) -> None:
        self._client, self._text = client, text
        self._reader = MessageReader(is_request=True, start=self._start, done=self._done)
        self._answered = False
        self._later = asyncio.get_running_loop().call_later(LINGER_S, client.abort)

    def write(self, data: bytes) -> None:
        if self._client.is_closing():
            return
        try:
            self._reader.feed(data, 0.0)
        except UnreadableError:
            self._client.abort()

    def write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        """There is nothing to read from."""

    def resume_reading(self) -> None:
        """As above."""

    def close(self) -> None:
        self._later.cancel()

    abort = close

    def _start(self, line: tuple[str, ...], headers: dict[str, str]) -> tuple[Body, bool]:
        if headers.get("expect", "").lower() == "100-continue":
            self._answer()
        return Body(Budget(0), 0, kept=False), True

    def _done(self, message: Message) -> None:
        self._answer()
        if not self._client.is_closing():
            self._client.close()

    def _answer(self) -> None:
        if self._answered:
            return
        self._answered = True
        body = self._text.encode()
        self._client.write(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\n"
            b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
