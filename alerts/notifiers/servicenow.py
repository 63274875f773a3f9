"""ServiceNow event management: events of one ``message_key`` are one alert.

A trigger opens it, updates refresh it, severity 0 clears it. A repeat is one more event of the same
alert, so people see one. An acknowledgement refreshes it too: an event can't acknowledge.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from alerts.labels import labels_of
from alerts.notifiers import parts
from alerts.notifiers.fit import clip, plain, shrunk
from alerts.notifiers.http import TIMEOUT_S, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden, basic
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent, Severity

SHORT = 100
MAX_DESCRIPTION = 4000
MAX_KEY = 1024
_CLEAR = "0"
_SEVERITY = {
    Severity.CRITICAL: "1",
    Severity.ERROR: "2",
    Severity.WARNING: "4",
    Severity.INFO: "5",
}


class ServiceNowNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    url: of the instance.
    user, password: of an account with the role ``evt_mgmt_integration``; never shown.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.KEYED

    def __init__(
        self, name: str, *, url: str, user: str, password: str, timeout_s: float = TIMEOUT_S
    ) -> None:
        login = basic(user, password)
        super().__init__(
            name,
            ReceiverHttp(
                "servicenow",
                hidden=Hidden(password, login),
                headers={"Authorization": f"Basic {login}"},
                timeout_s=timeout_s,
            ),
        )
        self._url = f"{url.rstrip('/')}/api/global/em/jsonv2"

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        del thread, unclear
        self._send(message, over=message.event is MessageEvent.RESOLVE)
        if message.event is MessageEvent.TEST:
            self._send(message, over=True)
        return delivered(message, message_key=_key(message), sent=message.event.value)

    def _send(self, message: Message, *, over: bool) -> None:
        answer = self._http.send("POST", self._url, {"records": [event_of(message, over=over)]})
        if "result" not in answer.object():
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, f"no result: {answer.text}")


def _key(message: Message) -> str:
    return message.thread_key[:MAX_KEY]


def event_of(message: Message, *, over: bool) -> dict[str, Any]:
    """The event; ``over`` clears its alert."""
    incident = message.incident
    more = {
        "labels": labels_of(incident),
        "state": incident.state.value,
        "vigil_severity": incident.severity.value,
        "news": message.note,
        "links": {link.text: link.href for link in parts.links(message)},
        "message_id": message.id,
    }
    at = message.sent_at.astimezone(UTC)
    return {
        "source": "vigil",
        "event_class": _short(message.installation or "vigil"),
        "node": _short(incident.deployment),
        "resource": _short(f"{incident.model} {incident.model_version}"),
        "metric_name": _short(incident.cause.value),
        "type": _short(incident.kind.value),
        "message_key": _key(message),
        "severity": _CLEAR if over else _SEVERITY[incident.severity],
        "resolution_state": "Closing" if over else "New",
        "time_of_event": f"{at:%Y-%m-%d %H:%M:%S}",
        "description": shrunk(lambda limit: _description(message, limit), len, MAX_DESCRIPTION),
        "additional_info": json.dumps(_cut(more)),
    }


def _description(message: Message, limit: int) -> str:
    lines = [clip(parts.title(message), 500)]
    for part in parts.parts(message):
        lines += [f"{part.label}: {clip(text, limit)}" for text in part.texts]
    lines += [f"{link.text}: {link.href}" for link in parts.links(message)[:1]]
    return "\n".join(lines)


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {clip(plain(key), SHORT): _cut(each) for key, each in value.items()}
    return clip(plain(str(value)), 2000)


def _short(text: str) -> str:
    return clip(plain(text), SHORT)
