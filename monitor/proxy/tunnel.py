"""Bytes from a client to a server and back, unchanged; a reader looks on.

Each client's connection has one of its own upstream. A piece is sent on before anyone reads it, so
that no fault of the reading can change or hold up what the client gets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from monitor.proxy.exchange import Watching
from monitor.proxy.http1 import UnreadableError
from monitor.proxy.pairs_http1 import Http1Pairs
from monitor.proxy.pairs_http2 import Http2Pairs
from monitor.proxy.refusal import Refusal
from monitor.proxy.seldom import Seldom

log = logging.getLogger("vigil.proxy")
_says_away = Seldom()
_BUFFER = 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Upstream:
    """Where the bytes go."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_s: float = 5.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Onlooker(Protocol):
    """Reads what passes."""

    def from_client(self, data: bytes) -> None: ...

    def from_server(self, data: bytes) -> None: ...

    def closed(self) -> None: ...

    @property
    def is_idle(self) -> bool: ...


class Tunnel:
    """One client's connection.

    Args:
        speaks_http2: for gRPC; else HTTP/1.1, and a server that is away is told with a 502.
    """

    def __init__(
        self,
        upstream: Upstream,
        watching: Watching,
        *,
        speaks_http2: bool,
        forget: Callable[[Tunnel], None],
    ) -> None:
        self._upstream, self._watching, self._forget = upstream, watching, forget
        self._speaks_http2 = speaks_http2
        self._onlooker: Onlooker | None = (
            Http2Pairs(watching) if speaks_http2 else Http1Pairs(watching)
        )
        self.near = End(self, is_client=True)
        self.far: End | Refusal = End(self, is_client=False)
        self._connecting: asyncio.Task[None] | None = None

    def opened(self) -> None:
        """The client is here; it is read once the server is."""
        self.near.transport.pause_reading()
        self._connecting = asyncio.ensure_future(self._connect())

    async def _connect(self) -> None:
        far, upstream = self.far, self._upstream
        assert isinstance(far, End)
        try:
            async with asyncio.timeout(upstream.connect_s):
                await asyncio.get_running_loop().create_connection(
                    lambda: far,
                    upstream.host,
                    upstream.port,
                    ssl=upstream.tls,
                    server_hostname=upstream.host if upstream.tls else None,
                )
        except (OSError, TimeoutError) as error:
            self._refuse(error)
        if self.near.transport.is_closing():
            self.abort()
        else:
            self.near.transport.resume_reading()

    def _refuse(self, error: Exception) -> None:
        self._watching.counts["upstream_away"] += 1
        why = str(error) or f"no connection within {self._upstream.connect_s:g} s"
        if _says_away.is_due():
            log.warning("the server at %s can't be reached: %s", self._upstream, why)
        self._onlooker = None
        if self._speaks_http2:
            # gRPC's client calls a connection that closes UNAVAILABLE.
            self.near.transport.close()
        else:
            text = f"vigil proxy: the server at {self._upstream} can't be reached: {why}\n"
            self.far = Refusal(self.near.transport, text)

    def passed(self, data: bytes, *, from_client: bool) -> None:
        """Look at bytes that are already on their way."""
        if self._onlooker is None:
            return
        try:
            if from_client:
                self._onlooker.from_client(data)
            else:
                self._onlooker.from_server(data)
        except UnreadableError as error:
            self._blind(f"not read further: {error}")
        except Exception as error:
            self._blind(f"{type(error).__name__}: {error}")
            log.exception("a connection is no longer read")

    def _blind(self, why: str) -> None:
        """Only forward from here on."""
        self._watching.counts["unreadable"] += 1
        log.debug("a connection is %s", why)
        self._end_reading()

    def _end_reading(self) -> None:
        onlooker, self._onlooker = self._onlooker, None
        if onlooker is not None:
            with contextlib.suppress(Exception):
                onlooker.closed()

    def other(self, end: End) -> End | Refusal:
        return self.far if end is self.near else self.near

    def lost(self, end: End, error: Exception | None) -> None:
        """One side is gone: the other goes too, after what is on its way."""
        other = self.other(end)
        if error is None:
            other.close()
        else:
            other.abort()
        if end is self.near and self._connecting is not None:
            self._connecting.cancel()
        self._end_reading()
        self._forget(self)

    def close_if_idle(self) -> None:
        """Hang up where no request waits for its answer."""
        if self._onlooker is not None and self._onlooker.is_idle:
            self.near.close()

    def abort(self) -> None:
        """Both sides, at once."""
        self.near.abort()
        self.far.abort()


class End(asyncio.Protocol):
    """One side of a tunnel."""

    transport: asyncio.Transport

    def __init__(self, tunnel: Tunnel, *, is_client: bool) -> None:
        self._tunnel, self._is_client = tunnel, is_client
        self._is_there = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self._is_there = transport, True
        transport.set_write_buffer_limits(high=_BUFFER)
        if self._is_client:
            self._tunnel.opened()

    def data_received(self, data: bytes) -> None:
        self._tunnel.other(self).write(data)
        self._tunnel.passed(data, from_client=self._is_client)

    def eof_received(self) -> bool:
        """A client that has said all still waits for its answer; a server that has is done."""
        if self._is_client:
            return self._tunnel.far.write_eof()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._tunnel.lost(self, exc)

    def pause_writing(self) -> None:
        self._tunnel.other(self).pause_reading()

    def resume_writing(self) -> None:
        self._tunnel.other(self).resume_reading()

    def write(self, data: bytes) -> None:
        if self._is_there:
            self.transport.write(data)

    def write_eof(self) -> bool:
        """Whether this side can be told so while it goes on sending."""
        if not self._is_there or not self.transport.can_write_eof():
            return False
        self.transport.write_eof()
        return True

    def pause_reading(self) -> None:
        if self._is_there and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._is_there and not self.transport.is_closing():
            self.transport.resume_reading()

    def close(self) -> None:
        if self._is_there:
            self.transport.close()

    def abort(self) -> None:
        if self._is_there:
            self.transport.abort()
