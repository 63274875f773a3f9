"""Grafana's annotations over HTTP: find by tag, make, change.

Grafana has no idempotency key: a mark whose making had no clear answer is looked for by its own
tag before it is made again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from alerts.notifiers.http import TIMEOUT_S, Answer, ReceiverHttp
from alerts.notifiers.secrecy import Hidden
from alerts.types import DeliveryOutcome
from monitor.marks.collect import Mark
from vigil.errors import VigilError

_NEVER = (400, 413, 422)


class MarkRefused(VigilError):
    """Grafana does not take this mark as it is: trying again will not help."""


class GrafanaAnnotations:
    """Args:
    url: of Grafana. token: of a service account that may write annotations; never shown.

    Every call raises ``alerts.notifiers.http.NotDelivered`` where it did not work, and may work
    later; ``make`` and ``change`` raise ``MarkRefused`` where it never will.
    """

    def __init__(self, url: str, token: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._api = f"{url.rstrip('/')}/api/annotations"
        self._hidden = Hidden(token)
        self._http = ReceiverHttp(
            "grafana",
            hidden=self._hidden,
            headers={"Authorization": f"Bearer {token}"},
            timeout_s=timeout_s,
        )

    def close(self) -> None:
        self._http.close()

    def find(self, tag: str) -> str | None:
        """The number of the annotation with this tag."""
        params = {"tags": tag, "type": "annotation", "limit": "1"}
        answer = self._http.send("GET", self._api, params=params, good=(200,))
        found = answer.json()
        if not isinstance(found, list):
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, "expected a list of annotations")
        ours = [one for one in found if isinstance(one, dict) and tag in (one.get("tags") or ())]
        return str(ours[0]["id"]) if ours and "id" in ours[0] else None

    def make(self, mark: Mark) -> str:
        """Draw it; returns its number there."""
        answer = self._http.send("POST", self._api, _body(mark), good=(200,), accept=_NEVER)
        self._refusal(answer)
        number = answer.object().get("id")
        if not isinstance(number, int):
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, "expected the annotation's id")
        return str(number)

    def change(self, number: str, mark: Mark) -> bool:
        """Draw it as it is now; False where somebody deleted it."""
        answer = self._http.send(
            "PATCH", f"{self._api}/{number}", _body(mark), good=(200,), accept=(404, *_NEVER)
        )
        self._refusal(answer)
        return answer.status != 404

    def _refusal(self, answer: Answer) -> None:
        if answer.status in _NEVER:
            raise MarkRefused(f"grafana: HTTP {answer.status} {self._hidden(answer.text)}")


def _body(mark: Mark) -> dict[str, Any]:
    body: dict[str, Any] = {
        "time": _ms(mark.at),
        "tags": list(mark.tags),
        "text": mark.text,
    }
    if mark.until is not None:
        body["timeEnd"] = max(_ms(mark.until), _ms(mark.at))
    return body


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000.0)
