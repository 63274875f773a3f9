"""One HTTP client for all receivers: what came of a request is judged here and nowhere else.

* delivered: 2xx.
* retry: 408, 425, 429, 503, and a connection that was never made; surely it is not there.
* unclear: other 5xx, a 2xx that is not the receiver's, an answer that breaks off, and none at all;
  it may be there.
* failed: anything else. A redirect is not followed: what is sent is meant for nobody else.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import socket
import ssl
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, DeliveryOutcome
from vigil.clock import Clock, SystemClock

TIMEOUT_S = 10.0
MOST_ANSWER = 256 * 1024
MOST_WAIT_S = 3600.0
_LATER = (408, 425, 429, 503)


class NotDelivered(Exception):
    """Ends an attempt: ``delivery`` says what came of it, without a secret."""

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        super().__init__(delivery.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """``body`` is cut at 256 KiB, or as far as the client was told to read."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def is_page(self) -> bool:
        """Whether it is a page for people: a proxy's, that wants a login, say."""
        return self.text.lstrip().startswith("<")

    def json(self) -> Any:
        """None where it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def object(self) -> dict[str, Any]:
        """Empty where it is not a JSON object."""
        found = self.json()
        return found if isinstance(found, dict) else {}


class ReceiverHttp:
    """Args:
    kind: of the receiver, for errors.
    hidden: takes secrets out of what is shown.
    headers: of every request.
    timeout_s: for connecting, and for each silence.
    clock: dates what ``Retry-After`` says.
    ca_file: certificates (PEM) to trust beside the usual ones.
    most_answer: bytes of an answer that are read.

    Raises:
        OSError: ``ca_file`` can't be read, or holds no certificate.
    """

    def __init__(
        self,
        kind: str,
        *,
        hidden: Hidden,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
        ca_file: Path | None = None,
        most_answer: int = MOST_ANSWER,
    ) -> None:
        self.kind = kind
        self._hidden = hidden
        self._clock = clock or SystemClock()
        self._timeout_s = timeout_s
        self._most_answer = most_answer
        self._client = httpx.Client(
            timeout=timeout_s,
            follow_redirects=False,
            verify=_trusted(ca_file),
            headers={"User-Agent": "vigil", "Accept-Encoding": "identity", **(headers or {})},
        )

    def __repr__(self) -> str:
        return f"ReceiverHttp({self.kind!r})"

    def close(self) -> None:
        self._client.close()

    def send(
        self,
        method: str,
        url: str,
        plain: Any = None,
        *,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        good: Collection[int] = range(200, 300),
        accept: Collection[int] = (),
    ) -> Answer:
        """One request, as JSON where ``plain`` is given.

        Args:
            good: the statuses that say yes; another 2xx comes from someone in between.
            accept: statuses that the caller judges itself.

        Raises:
            NotDelivered: any other answer, or none.
        """
        sent = {"Accept": "application/json", **(headers or {})}
        if plain is not None:
            content = json.dumps(plain).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            with (
                _unlogged(),
                self._client.stream(
                    method, url, content=content, params=params, headers=sent
                ) as reply,
            ):
                body, whole = self._read(reply)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self.stopped(DeliveryOutcome.RETRY, f"out of reach ({_why(error)})") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise self.stopped(DeliveryOutcome.FAILED, "its address is not valid") from None
        except httpx.HTTPError as error:
            told = f"no answer ({type(error).__name__})"
            raise self.stopped(DeliveryOutcome.UNCLEAR, told) from None
        answer = Answer(status=reply.status_code, body=body)
        if answer.status in accept:
            return answer
        if answer.status in good and not whole:
            raise self.stopped(DeliveryOutcome.UNCLEAR, "the answer broke off")
        if answer.status in good:
            return answer
        raise self._refused(answer, reply.headers.get("Retry-After"))

    def stopped(self, outcome: DeliveryOutcome, text: str) -> NotDelivered:
        """The end of an attempt, for a reason that may hold what the receiver said."""
        return NotDelivered(
            Delivery(outcome=outcome, error=f"{self.kind}: {self._hidden(text)}".strip())
        )

    def _read(self, reply: httpx.Response) -> tuple[bytes, bool]:
        """The body as far as we want it, and whether it came to its end."""
        body, ends = b"", time.monotonic() + self._timeout_s
        try:
            for piece in reply.iter_raw():
                body += piece
                if len(body) >= self._most_answer:
                    return body[: self._most_answer], True
                if time.monotonic() > ends:
                    return body, False
        except httpx.HTTPError:
            return body, False
        return body, True

    def _refused(self, answer: Answer, retry_after: str | None) -> NotDelivered:
        code = answer.status
        if code in _LATER:
            outcome = DeliveryOutcome.RETRY
        elif code >= 500 or 200 <= code < 300:
            outcome = DeliveryOutcome.UNCLEAR
        else:
            outcome = DeliveryOutcome.FAILED
        said = "redirects are not followed" if 300 <= code < 400 else answer.text
        return NotDelivered(
            Delivery(
                outcome=outcome,
                error=f"{self.kind}: HTTP {code} {self._hidden(said)}".strip(),
                retry_after_s=self._asked_s(retry_after),
            )
        )

    def _asked_s(self, retry_after: str | None) -> float | None:
        """``Retry-After`` in seconds, be it seconds or a date; at most an hour."""
        if retry_after is None:
            return None
        try:
            wait_s = float(retry_after)
        except ValueError:
            try:
                at = parsedate_to_datetime(retry_after)
            except (ValueError, TypeError, OverflowError):
                return None
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            wait_s = (at - self._clock.now()).total_seconds()
        return min(max(wait_s, 0.0), MOST_WAIT_S) if math.isfinite(wait_s) else None


@functools.cache
def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    """The certificates that are trusted: slow to read, so they are read once."""
    context = httpx.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context


def _why(error: httpx.TransportError) -> str:
    """In words that help at night, and hold nothing of the address."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "its certificate is not valid"
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__


_is_ours: ContextVar[bool] = ContextVar("vigil_receiver_request", default=False)


@contextmanager
def _unlogged() -> Iterator[None]:
    """The HTTP library logs addresses and headers, which may be secrets."""
    token = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(token)


_TELLTALES = ("connection", "http11", "http2", "proxy", "socks")
for _name in ("httpx", *(f"httpcore.{each}" for each in _TELLTALES)):
    logging.getLogger(_name).addFilter(lambda record: not _is_ours.get())
