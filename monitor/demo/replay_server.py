"""The replay endpoint beside the model: with it a rollback can be checked before it is made."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from alerts.actions.replay import CONTENT_TYPE, pack_reply, unpack_request
from alerts.actions.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, refusal
from monitor.demo.reader import ReaderVersion
from vigil.errors import WireError

MOST_BYTES = 64 * 2**20


class ReplayServer:
    """Answers signed replay requests on the loopback interface."""

    def __init__(self, versions: Mapping[str, ReaderVersion], secret: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", "0"))
                if not 0 < length <= MOST_BYTES:
                    return self._answer(413, b"")
                body = self.rfile.read(length)
                why_not = refusal(
                    secret,
                    self.headers.get(TIMESTAMP_HEADER),
                    self.headers.get(SIGNATURE_HEADER),
                    body,
                    now_s=time.time(),
                )
                if why_not is not None:
                    return self._answer(401, why_not.encode())
                try:
                    version, images = unpack_request(body)
                except WireError as error:
                    return self._answer(400, str(error).encode())
                if version not in versions:
                    return self._answer(404, b"")
                probabilities, embeddings = versions[version].infer(images.copy())
                return self._answer(200, pack_reply(version, probabilities, embeddings))

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Stay silent: the demo's terminal tells the story."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
