"""The stand-ins behind one local HTTP server, in a thread.

``/slack/api/...``, ``/pagerduty/v2/...``, ``/pipeline/rollback``; ``GET /sent`` is everything as
JSON, ``GET /`` shows it as people would see it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

from monitor.standins.faults import Faults
from monitor.standins.page import render
from monitor.standins.pagerduty import PagerDutyStandIn
from monitor.standins.pipeline import PipelineStandIn
from monitor.standins.reply import Reply, Request, as_json
from monitor.standins.slack import SlackStandIn
from vigil.clock import Clock, SystemClock

_MAX_BODY = 8 * 2**20
_LOGGED = 2**20


class StandIns:
    """All stand-ins on one port of the loopback interface; use it as a context.

    Args:
        port: 0 for a free one.
        clock: dates what arrives.
        slack_token: the only token that Slack takes; any bot's where None.
        slack_pace_s: seconds between two posts to a channel; 0: any pace.
        routing_key: the only one that PagerDuty takes; any of 32 characters where None.
        pipeline_secret: shared with the rollback webhook.
        log: a JSONL file that each request is written to.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        clock: Clock | None = None,
        slack_token: str | None = None,
        slack_pace_s: float = 0.0,
        routing_key: str | None = None,
        pipeline_secret: str = "stand-in",
        log: str | os.PathLike[str] | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.slack = SlackStandIn(self.clock, token=slack_token, pace_s=slack_pace_s)
        self.pagerduty = PagerDutyStandIn(self.clock, routing_key=routing_key)
        self.pipeline = PipelineStandIn(self.clock, secret=pipeline_secret)
        self._log = Path(log) if log is not None else None
        self._log_lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.standins = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.slack.clicks.base = self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(5)
        self._server.server_close()

    def __enter__(self) -> StandIns:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def sent(self) -> dict[str, Any]:
        """Everything that arrived, and what was refused."""
        return {
            "slack": [message.to_json() for message in list(self.slack.messages)],
            "pagerduty": [incident.to_json() for incident in list(self.pagerduty.incidents)],
            "changes": list(self.pagerduty.changes),
            "pipeline": list(self.pipeline.requests),
            "refused": {
                "slack": list(self.slack.refused),
                "pagerduty": list(self.pagerduty.refused),
                "dropped by pagerduty": list(self.pagerduty.dropped),
            },
        }

    def answer(self, request: Request) -> Reply:
        path = request.path
        if path == "/" and request.method == "GET":
            page = render(self.slack, self.pagerduty, self.pipeline, now=self.clock.now())
            return Reply(body=page.encode(), content_type="text/html; charset=utf-8")
        if path == "/sent" and request.method == "GET":
            return as_json(self.sent())
        if path.startswith("/slack/api/"):
            reply = self.slack.answer(request, path.removeprefix("/slack/api/"))
        elif path.startswith("/slack/response/"):
            reply = self.slack.clicks.answer(request, path.removeprefix("/slack/response/"))
        elif path.startswith("/slack/upload/"):
            reply = self.slack.take_upload(request, path.removeprefix("/slack/upload/"))
        elif path in ("/pagerduty/v2/enqueue", "/pagerduty/v2/change/enqueue"):
            reply = self.pagerduty.answer(request, path.removeprefix("/pagerduty"))
        elif path == "/pipeline/rollback" and request.method == "POST":
            reply = self.pipeline.answer(request)
        else:
            return as_json({"error": f"no {request.method} {path} here"}, 404)
        self._write(request, reply)
        return reply

    def hang_s(self, path: str) -> float:
        """How long the next request to ``path`` hangs; the fault itself stays in its queue."""
        for prefix, faults in (
            ("/slack/", self.slack.faults),
            ("/pagerduty/", self.pagerduty.faults),
            ("/pipeline/", self.pipeline.faults),
        ):
            if path.startswith(prefix):
                return _hang(faults)
        return 0.0

    def _write(self, request: Request, reply: Reply) -> None:
        if self._log is None:
            return
        entry = {
            "at": self.clock.now().isoformat(),
            "path": request.path,
            "status": None if reply.lost else reply.status,
            "body": _without_keys(request.json()) if len(request.body) < _LOGGED else None,
        }
        with self._log_lock, self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _hang(faults: Faults) -> float:
    first = faults.peek()
    return first.hang_s if first is not None else 0.0


def _without_keys(body: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if body is None else {k: v for k, v in body.items() if k != "routing_key"}


class _Server(ThreadingHTTPServer):
    """Ends its connections when it is closed, so that no thread and no socket is left behind."""

    daemon_threads = False
    standins: StandIns

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.closing = threading.Event()
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        self.closing.set()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        server = cast("_Server", self.server)
        standins = server.standins
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > _MAX_BODY:
            self.close_connection = True
            self._send(as_json({"error": "body too large"}, 413))
            return
        url = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query)),
            headers=dict(self.headers.items()),
            body=self.rfile.read(int(length)),
        )
        hang_s = standins.hang_s(request.path)
        if hang_s:
            server.closing.wait(hang_s)
        reply = standins.answer(request)
        if reply.lost:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(reply)

    def _send(self, reply: Reply) -> None:
        try:
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.content_type)
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("Cache-Control", "no-store")
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: ``log`` and ``/sent`` tell what came."""
