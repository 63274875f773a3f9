"""``/metrics`` and ``/healthz``, on a port of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from vigil.errors import ConfigError

Answer = Callable[[], tuple[int, str, bytes]]


class Door:
    """A small HTTP server.

    Args:
        host, port: where; port 0 takes a free one.
        answers: by path, what gives status, content type and body.

    Raises:
        ConfigError: the address can't be listened on.
    """

    def __init__(self, host: str, port: int, answers: dict[str, Answer]) -> None:
        class Handler(BaseHTTPRequestHandler):
            timeout = 10.0

            def do_GET(self) -> None:
                answer = answers.get(self.path.partition("?")[0])
                status, kind, body = (404, "text/plain", b"not here\n") if not answer else answer()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                "command line", "listen", expected="a free address", found=f"{host}:{port}: {error}"
            ) from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="vigil-sidecar-http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=2.0)
