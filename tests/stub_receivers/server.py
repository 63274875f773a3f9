"""A strict stub of a receiver's API on 127.0.0.1, which fails in every way that is asked of it."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from monitor.standins.reply import Reply, Request

Dialect = Callable[[Request], Reply]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What happens to one request.

    ``does``: whether the API does as asked first. ``how``: ``answer`` (with ``status``, ``headers``
    and ``body``), ``hang``, ``drop`` (no answer), ``reset`` (in the middle of the answer),
    ``endless`` (an answer that does not end), ``pass_on`` (no trouble).
    """

    how: str = "answer"
    does: bool = False
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class ReceiverServer:
    """``seen`` is every request; ``refused`` what the dialect found wrong. ``tls``: for https."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.seen: list[Request] = []
        self.troubles: deque[Trouble] = deque()
        self.echo: int | None = None
        self.tls: ssl.SSLContext | None = None
        self.closing = threading.Event()

    def then(self, *troubles: Trouble) -> None:
        self.troubles.extend(troubles)

    @contextmanager
    def running(self) -> Iterator[str]:
        handler = type("Handler", (_Handler,), {"stub": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if self.tls is not None:
            server.socket = self.tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield f"http{'s' if self.tls else ''}://127.0.0.1:{server.server_address[1]}"
        finally:
            self.closing.set()
            server.shutdown()
            server.server_close()
            thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    stub: ReceiverServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        url = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers=dict(self.headers.items()),
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        self.stub.seen.append(request)
        if self.stub.echo is not None:
            self._echo(request, self.stub.echo)
            return
        if not self.stub.troubles:
            self._reply(self.stub.dialect(request))
            return
        trouble = self.stub.troubles.popleft()
        if trouble.how == "pass_on":
            self._reply(self.stub.dialect(request))
            return
        if trouble.does:
            self.stub.dialect(request)
        getattr(self, f"_{trouble.how}")(trouble)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _reply(self, reply: Reply) -> None:
        self._answer(Trouble(status=reply.status, headers=reply.headers, body=reply.body))

    def _answer(self, trouble: Trouble) -> None:
        self.send_response(trouble.status)
        self.send_header("Content-Length", str(len(trouble.body)))
        for name, value in trouble.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(trouble.body)

    def _hang(self, trouble: Trouble) -> None:
        self.stub.closing.wait(20)
        self.close_connection = True

    def _drop(self, trouble: Trouble) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _reset(self, trouble: Trouble) -> None:
        self.send_response(trouble.status)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"ok": tr')
        self.wfile.flush()
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        for each in (self.rfile, self.wfile, self.connection):
            each.close()

    def _endless(self, trouble: Trouble) -> None:
        self.close_connection = True
        try:
            self.send_response(trouble.status)
            self.end_headers()
            for _ in range(8):
                self.wfile.write(b"x" * 2**20)
        except OSError:
            return

    def _echo(self, request: Request, status: int) -> None:
        """Everything that was sent, back again: in the body and in a header."""
        said = json.dumps({"error": [self.path, dict(request.headers), request.body.decode()]})
        body = f"{self.path} {self.headers.get('Authorization', '')} {said}".encode()
        where = "http://127.0.0.1:1" + self.path
        self._answer(Trouble(status=status, headers={"Location": where}, body=body))

    def log_message(self, format: str, *args: Any) -> None:
        return
