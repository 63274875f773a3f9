"""A real HTTP server on this machine that plays the service, faults included."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vigil.windows import wire

Fault = Callable[["Handler"], bool]


class FakeService:
    """Keeps windows once by key, as the service does. ``faults`` meet the next requests, one each:
    a fault answers itself (or drops the line) and returns True, or lets the request through."""

    def __init__(self) -> None:
        self.windows: dict[tuple[str, str, int], bytes] = {}
        self.arrivals: list[tuple[str, str, int]] = []
        self.labels: list[dict[str, Any]] = []
        self.rulers: dict[str, bytes] = {}
        self.reject: set[int] = set()
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str | None]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.service = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def take(self, body: bytes) -> dict[str, Any]:
        receipts = []
        for blob in wire.split(body):
            header, _ = wire.unpack(blob)
            key = (header["source"], header["boot"], header["sequence"])
            self.arrivals.append(key)
            status = "duplicate" if key in self.windows else "accepted"
            if header["sequence"] in self.reject:
                status = "rejected"
            else:
                self.windows.setdefault(key, blob)
            receipts.append(
                {"source": key[0], "boot": key[1], "sequence": key[2], "status": status}
            )
        return {"receipts": receipts}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._faulty(body):
            return
        if self.path == "/v1/windows":
            self.answer(200, self.service.take(body))
        elif self.path == "/v1/labels":
            rows = json.loads(body)["labels"]
            self.service.labels += rows
            self.answer(200, {"receipts": [{"id": r["id"], "status": "accepted"} for r in rows]})

    def do_GET(self) -> None:
        if self._faulty(b""):
            return
        ruler = self.service.rulers.get(self.path)
        if ruler is None:
            self.answer(404, {"detail": "no baseline"})
        else:
            self.answer(200, ruler)

    @property
    def service(self) -> FakeService:
        return self.server.service  # type: ignore[attr-defined, no-any-return]

    def _faulty(self, body: bytes) -> bool:
        self.body = body
        self.service.requests.append((self.path, self.headers.get("Authorization")))
        return bool(self.service.faults) and self.service.faults.pop(0)(self)

    def answer(self, status: int, reply: Any, **headers: str) -> None:
        body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def answers(status: int, **headers: str) -> Fault:
    """Refuse with this status."""

    def fault(handler: Handler) -> bool:
        handler.answer(status, {"detail": "as told"}, **headers)
        return True

    return fault


def loses_the_reply(handler: Handler) -> bool:
    """Take the windows in, then hang up before answering: the sender can't know."""
    if handler.path == "/v1/windows":
        handler.service.take(handler.body)
    handler.connection.close()
    handler.close_connection = True
    return True


def talks_nonsense(handler: Handler) -> bool:
    handler.answer(200, b"<html>a proxy's page</html>")
    return True
