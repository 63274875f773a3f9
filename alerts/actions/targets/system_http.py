"""Requests to a system's API: what is no answer, or a refusal, ends as a target's report."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from alerts.actions.targets.protocol import TargetState
from alerts.actions.targets.system_target import StoppedError
from alerts.notifiers.http import Answer, NotDelivered, ReceiverHttp
from alerts.notifiers.secrecy import Hidden, basic
from alerts.types import DeliveryOutcome
from vigil.errors import ConfigError

MOST_ANSWER = 8 * 1024 * 1024


class SystemHttp:
    """Args:
    kind: of the target, for errors.
    url: of the API.
    token: reads the bearer token, or the password where there is a ``user``; read for each
        request, because tokens of services are renewed while they are in use. None: none is sent.
    user: for HTTP's basic authentication.
    ca_file: certificates to trust beside the usual ones.
    timeout_s: for connecting, and for each silence.
    """

    def __init__(
        self,
        kind: str,
        url: str,
        *,
        token: Callable[[], str] | None = None,
        user: str = "",
        ca_file: Path | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self.kind = kind
        self._url = url.rstrip("/")
        self._token = token
        self._user = user
        self._ca_file = ca_file
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._known: tuple[str, ReceiverHttp, Hidden] | None = None

    def __repr__(self) -> str:
        return f"SystemHttp({self.kind!r})"

    def close(self) -> None:
        with self._lock:
            if self._known is not None:
                self._known[1].close()
                self._known = None

    def call(
        self,
        method: str,
        path: str,
        plain: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: Collection[int] = (),
    ) -> Answer:
        """One request.

        Args:
            accept: statuses that the caller judges itself.

        Raises:
            StoppedError: failed where the system refuses; unclear otherwise: it may have happened.
        """
        http, _ = self._client()
        headers = {"Content-Type": content_type} if plain is not None else {}
        try:
            return http.send(
                method,
                f"{self._url}{path}",
                plain,
                params=params,
                headers=headers,
                accept=accept,
            )
        except NotDelivered as ended:
            refused = ended.delivery.outcome is DeliveryOutcome.FAILED
            state = TargetState.FAILED if refused else TargetState.UNCLEAR
            raise StoppedError.of(state, ended.delivery.error) from None

    def object(self, answer: Answer) -> dict[str, Any]:
        """Raises:
        StoppedError: unclear; the answer is not a JSON object.
        """
        found = answer.json()
        if not isinstance(found, dict):
            text = f"answered {answer.status} with something else than JSON"
            raise self.stopped(TargetState.UNCLEAR, text)
        return found

    def stopped(self, state: TargetState, text: str) -> StoppedError:
        """The end of an attempt, for a reason that may hold what the system said."""
        _, hidden = self._client()
        return StoppedError.of(state, f"{self.kind}: {hidden(text)}")

    def _client(self) -> tuple[ReceiverHttp, Hidden]:
        """The client that sends the token as it is now."""
        with self._lock:
            try:
                token = "" if self._token is None else self._token()
            except ConfigError as error:
                raise StoppedError.of(TargetState.UNCLEAR, f"{self.kind}: {error}") from None
            if self._known is None or self._known[0] != token:
                if self._known is not None:
                    self._known[1].close()
                self._known = (token, *self._opened(token))
            return self._known[1:]

    def _opened(self, token: str) -> tuple[ReceiverHttp, Hidden]:
        login = basic(self._user, token)
        hidden = Hidden(*((token, login) if token else ()))
        sent = f"Basic {login}" if self._user else f"Bearer {token}"
        try:
            http = ReceiverHttp(
                self.kind,
                hidden=hidden,
                headers={"Authorization": sent} if token else {},
                timeout_s=self._timeout_s,
                ca_file=self._ca_file,
                most_answer=MOST_ANSWER,
            )
        except OSError as error:
            text = f"{self.kind}: {self._ca_file}: can't be read: {error.strerror or 'not PEM'}"
            raise StoppedError.of(TargetState.UNCLEAR, text) from None
        return http, hidden
