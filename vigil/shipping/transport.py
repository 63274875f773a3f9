"""The way to the service: HTTP, or memory for tests and for a service in the same process."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from vigil.errors import TransportError
from vigil.windows import wire

MAX_REPLY_BYTES = 64 * 2**20
MAX_RETRY_AFTER_S = 600.0
RULER_TIMEOUT_S = 3.0
WHOLE_TIMES = 6
RULERS = "/v1/rulers/"
POLICY_HEADER = "Vigil-Privacy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What the service did with one window: ``accepted``, ``duplicate`` or ``rejected``."""

    source: str
    boot: str
    sequence: int
    status: str
    reason: str = ""


class Transport(Protocol):
    """Every method raises ``TransportError`` where the service can't be reached or refuses."""

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        """Deliver windows; a receipt for each that the service has decided on."""
        ...

    def send_labels(self, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Deliver ``{"id", "label"}`` rows; the service's reply."""
        ...

    def ruler(self, model: str, version: str) -> bytes | None:
        """The ruler of a version's baseline; None where it has none."""
        ...


class HttpTransport:
    """The service's HTTP API, one connection a request.

    Args:
        service: base URL, http or https.
        token: bearer token; it appears in no error and no representation.
        timeout_s: for connecting, for sending and for each read; a whole request may take six times
            as long. A ruler is waited for at most three seconds a step: measuring waits with it.

    Raises:
        ValueError: a URL or a token that can't be used.
    """

    def __init__(self, service: str, token: str | None = None, *, timeout_s: float = 10.0) -> None:
        parts = urlsplit(service)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"service: expected http(s)://host[:port], found {service!r}")
        try:
            http.client.HTTPConnection(parts.hostname, parts.port)
        except http.client.InvalidURL as error:
            raise ValueError(f"service: {error}") from None
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("token: expected printable ASCII")
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._base, self._timeout_s = parts.path.rstrip("/"), timeout_s
        self._headers = {"User-Agent": "vigil-tap"}
        self.policy: str | None = None
        """What the service asks of taps, as JSON, with the last ruler; None: not heard of yet."""
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def __repr__(self) -> str:
        return f"HttpTransport({self._host}:{self._port})"

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        body = wire.join(blobs)
        reply = self._ask("POST", "/v1/windows", body, "application/octet-stream")
        return read_receipts(_json(reply))

    def send_labels(self, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        body = json.dumps({"labels": list(labels)}).encode()
        return _json(self._ask("POST", "/v1/labels", body, "application/json"))

    def ruler(self, model: str, version: str) -> bytes | None:
        path = f"{RULERS}{quote(model, safe='')}/{quote(version, safe='')}"
        try:
            return self._ask("GET", path, None, None, min(RULER_TIMEOUT_S, self._timeout_s))
        except _NotThereError:
            return None

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        content_type: str | None,
        timeout_s: float | None = None,
    ) -> bytes:
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout_s)
        headers = dict(self._headers)
        if content_type is not None:
            headers["Content-Type"] = content_type
        where = f"{method} {path}"
        try:
            connection.connect()
            with _cut_after(WHOLE_TIMES * timeout_s, connection.sock):
                connection.request(method, self._base + path, body, headers)
                response = connection.getresponse()
                reply = response.read(MAX_REPLY_BYTES + 1)
                status, wait = response.status, response.getheader("Retry-After")
                if path.startswith(RULERS) and status in (200, 404):
                    self.policy = response.getheader(POLICY_HEADER, "{}")
        except (OSError, http.client.HTTPException) as error:
            raise TransportError(
                f"{where}: {type(error).__name__}: {error}", reason="unreachable"
            ) from None
        finally:
            connection.close()
        if response.length and len(reply) <= MAX_REPLY_BYTES:
            raise TransportError(f"{where}: the reply was cut short")
        if len(reply) > MAX_REPLY_BYTES:
            raise TransportError(f"{where}: the reply is longer than {MAX_REPLY_BYTES} bytes")
        if 200 <= status < 300:
            return reply
        text = f"{where}: HTTP {status} {reply[:200].decode(errors='replace')!r}"
        if status == 404 and method == "GET":
            raise _NotThereError(text, permanent=True)
        # A wrong token can be put right without a restart of the service, so it is tried again.
        permanent = 400 <= status < 500 and status not in (401, 403, 404, 408, 425, 429)
        raise TransportError(
            text,
            permanent=permanent,
            retry_after_s=retry_after(wait, time.time),
            reason=f"http_{status}",
        )


class _NotThereError(TransportError):
    pass


@contextlib.contextmanager
def _cut_after(seconds: float, connected: socket.socket) -> Iterator[None]:
    """Ends a connection that is still open then: a timeout starts anew with every byte that comes,
    so a service that sends one now and then would hold us for ever."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def retry_after(header: str | None, now: Callable[[], float]) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, number or date; at most ten minutes."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now()
        except (ValueError, TypeError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _json(reply: bytes) -> dict[str, Any]:
    try:
        value = json.loads(reply or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise TransportError(f"expected a JSON object, found {reply[:100]!r}")
    return value


def read_receipts(reply: dict[str, Any]) -> list[Receipt]:
    """Raises:
    TransportError: not a list of receipts.
    """
    try:
        return [
            Receipt(
                source=str(row["source"]),
                boot=str(row["boot"]),
                sequence=int(row["sequence"]),
                status=str(row["status"]),
                reason=str(row.get("reason") or ""),
            )
            for row in reply["receipts"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TransportError(f"receipts can't be read: {error!r}") from None


class MemoryTransport:
    """A service in memory: keeps what it is sent, once by key, and can be told to fail.

    ``failures`` are raised, first to last, before anything is kept.
    """

    def __init__(self, rulers: dict[tuple[str, str], bytes] | None = None) -> None:
        self.rulers = dict(rulers or {})
        self.windows: dict[tuple[str, str, int], bytes] = {}
        self.labels: list[dict[str, Any]] = []
        self.policy: str | None = None
        self.failures: list[TransportError] = []

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        self._fail()
        receipts = []
        for blob in blobs:
            header, _ = wire.unpack(blob)
            key = (str(header["source"]), str(header["boot"]), int(header["sequence"]))
            status = "duplicate" if key in self.windows else "accepted"
            self.windows.setdefault(key, blob)
            receipts.append(Receipt(source=key[0], boot=key[1], sequence=key[2], status=status))
        return receipts

    def send_labels(self, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        self._fail()
        self.labels.extend(labels)
        return {"receipts": [{"id": row["id"], "status": "accepted"} for row in labels]}

    def ruler(self, model: str, version: str) -> bytes | None:
        self._fail()
        return self.rulers.get((model, version))

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
