"""Any endpoint: JSON, signed as ``alerts.actions.signing`` says.

The time and the body are signed, and the body holds our id, so that a receiver can refuse what is
old, forged or known. ``docs/alerting.md`` describes the body and shows a receiver.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from alerts.actions.signing import sign
from alerts.labels import labels_of
from alerts.notifiers import parts
from alerts.notifiers.http import TIMEOUT_S, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, Message
from vigil.clock import Clock, SystemClock

FORMAT = 1
ID_HEADER = "X-Vigil-Id"


class WebhookNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    url: where to post.
    secret: shared with the receiver; never sent, never shown.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.MAY_REPEAT

    def __init__(
        self,
        name: str,
        *,
        url: str,
        secret: str,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        hidden = Hidden(secret, url)
        super().__init__(name, ReceiverHttp("webhook", hidden=hidden, timeout_s=timeout_s))
        self._url, self._secret = url, secret
        self._clock = clock or SystemClock()

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        del thread, unclear
        content = json.dumps(body_of(message)).encode()
        headers = {
            **sign(self._secret, int(self._clock.now().timestamp()), content),
            ID_HEADER: parts.header(message.id),
        }
        self._http.send("POST", self._url, content=content, headers=headers)
        return delivered(message, sent=message.event.value)


def body_of(message: Message) -> dict[str, Any]:
    """The body; ``format`` grows when a field goes or changes its meaning."""
    incident = message.incident
    return {
        "format": FORMAT,
        "id": message.id,
        "thread": message.thread_key,
        "event": message.event.value,
        "sent_at": message.sent_at.isoformat(),
        "incident": {
            "id": incident.id,
            "kind": incident.kind.value,
            "cause": incident.cause.value,
            "severity": incident.severity.value,
            "state": incident.state.value,
            "model": incident.model,
            "version": incident.model_version,
            "deployment": incident.deployment,
            "slice": dict(incident.slice.pairs),
            "labels": labels_of(incident),
            "onset_at": _moment(incident.onset_at),
            "detected_at": _moment(incident.detected_at),
            "acknowledged_at": _moment(incident.acknowledged_at),
            "resolved_at": _moment(incident.resolved_at),
        },
        "headline": message.headline,
        "what": list(message.what),
        "where": message.where,
        "since": message.since,
        "how_sure": message.how_sure,
        "done": list(message.done),
        "next": message.next,
        "todo": message.todo,
        "note": message.note,
        "change": message.change,
        "runbook_url": message.runbook_url,
        "incident_url": message.incident_url,
        "links": [{"text": link.text, "href": link.href} for link in message.links],
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
