"""Requests to a labelling service: what is no answer, or a refusal, is a ``LabelQueueError``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import httpx

from alerts.actions.queues.protocol import LabelQueueError
from alerts.notifiers.http import Answer, NotDelivered, ReceiverHttp
from alerts.notifiers.secrecy import Hidden

MOST_ANSWER = 64 * 1024 * 1024
TIMEOUT_S = 10.0


class LabelService:
    """Args:
    kind: of the queue, for errors.
    url: where its API begins.
    secret: that no error may show.
    headers: of every request; the secret is among them.
    timeout_s: for connecting, and for each silence.
    """

    def __init__(
        self,
        kind: str,
        url: str,
        *,
        secret: str,
        headers: Mapping[str, str],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.kind = kind
        self.url = url.rstrip("/")
        self._http = ReceiverHttp(
            kind,
            hidden=Hidden(secret),
            headers=headers,
            timeout_s=timeout_s,
            most_answer=MOST_ANSWER,
        )

    def __repr__(self) -> str:
        return f"LabelService({self.kind!r}, {self.host!r})"

    def close(self) -> None:
        self._http.close()

    @property
    def host(self) -> str:
        """What may be shown of the URL."""
        parsed = httpx.URL(self.url)
        return f"{parsed.scheme}://{parsed.host}" + (f":{parsed.port}" if parsed.port else "")

    def ask(
        self,
        method: str,
        path: str,
        plain: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        accept: Collection[int] = (),
    ) -> Answer:
        """One request; statuses in ``accept`` are the caller's to judge.

        Raises:
            LabelQueueError: refused, or no answer: then it may have happened.
        """
        try:
            return self._http.send(
                method,
                f"{self.url}{path}",
                plain,
                params=params,
                content=content,
                headers=headers,
                accept=accept,
            )
        except NotDelivered as ended:
            raise LabelQueueError(ended.delivery.error) from None

    def object(self, method: str, path: str, plain: Any = None, **more: Any) -> dict[str, Any]:
        """The JSON object that is answered.

        Raises:
            LabelQueueError: as ``ask``, or something else is answered.
        """
        found = self.ask(method, path, plain, **more).json()
        if not isinstance(found, dict):
            raise self.strange(path)
        return found

    def strange(self, path: str) -> LabelQueueError:
        """It answered what its API does not say."""
        return LabelQueueError(f"{self.kind}: {path}: expected another answer than came")
