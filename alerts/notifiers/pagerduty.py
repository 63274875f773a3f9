"""PagerDuty Events v2: one alert an incident, under one ``dedup_key`` for its whole life.

A trigger opens it, an acknowledgement and a resolve follow, in order and through the same routing
key. Updates are not sent: a repeated trigger would reopen what someone resolved in PagerDuty. A
rollback or a release is posted as a change event. Repeats of one key are dropped by PagerDuty, so
nothing arrives twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from alerts.notifiers.http import TIMEOUT_S, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, Link, Message, MessageEvent

MAX_BYTES = 512 * 1024
MAX_SUMMARY = 1024
MAX_DEDUP_KEY = 255
_LAST = ("links", "images", "client_url")


class PagerDutyNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    routing_key: of the integration; never shown.
    url: of the events API.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.KEYED

    def __init__(
        self,
        name: str,
        *,
        routing_key: str,
        url: str = "https://events.pagerduty.com",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        super().__init__(
            name, ReceiverHttp("pagerduty", hidden=Hidden(routing_key), timeout_s=timeout_s)
        )
        self._routing_key = routing_key
        self._url = url.rstrip("/")

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        del unclear
        key = message.thread_key[:MAX_DEDUP_KEY]
        known = {"dedup_key": key} if thread.get("dedup_key") else {}
        if message.change:
            self._post("/v2/change/enqueue", self._change(message))
        action = {
            MessageEvent.TRIGGER: "trigger",
            MessageEvent.TEST: "trigger",
            MessageEvent.ACKNOWLEDGE: "acknowledge",
            MessageEvent.RESOLVE: "resolve",
        }.get(message.event)
        if action is None:
            sent = "change event" if message.change else "nothing: PagerDuty shows no updates"
            return delivered(message, **known, sent=sent)
        if action != "trigger" and not known:
            sent = f"nothing: there was no trigger to {action}"
            return delivered(message, sent=sent)
        self._post("/v2/enqueue", self._event(message, action, key))
        if message.event is MessageEvent.TEST:
            self._post("/v2/enqueue", self._event(message, "resolve", key))
        return delivered(message, dedup_key=key, sent=action)

    def _event(self, message: Message, action: str, key: str) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": action,
            "dedup_key": key,
        }
        if action != "trigger":
            return event
        incident = message.incident
        links = [
            {"href": message.runbook_url, "text": "Runbook"},
            {"href": message.incident_url, "text": f"Incident {incident.id}"},
            *({"href": link.href, "text": link.text} for link in message.links),
        ]
        return {
            **event,
            "client": "vigil",
            "client_url": message.incident_url,
            "links": links,
            "images": [
                {"src": image.src, "alt": image.alt, **({"href": image.href} if image.href else {})}
                for image in message.images
                if image.src.startswith("https://")
            ],
            "payload": {
                "summary": message.headline[:MAX_SUMMARY],
                "source": f"{incident.model}/{incident.deployment}",
                "severity": incident.severity.value,
                "timestamp": (incident.onset_at or incident.detected_at).isoformat(),
                "component": incident.model,
                "group": incident.deployment,
                "class": incident.kind.value,
                "custom_details": {
                    "what": list(message.what),
                    "where": message.where,
                    "owner": incident.labels.get("owner", ""),
                    "since": message.since,
                    "how sure": message.how_sure,
                    "what vigil did": list(message.done),
                    "next": message.next,
                    "what you should do": message.todo,
                    "message id": message.id,
                },
            },
        }

    def _change(self, message: Message) -> dict[str, Any]:
        incident = message.incident
        about = Link(text=f"Incident {incident.id}", href=message.incident_url)
        links = message.links if message.key else (about,)
        known = {} if message.key else {"incident": incident.id}
        return {
            "routing_key": self._routing_key,
            "payload": {
                "summary": message.change[:MAX_SUMMARY],
                "source": f"{incident.model}/{incident.deployment}",
                "timestamp": message.sent_at.isoformat(),
                "custom_details": {**known, "message id": message.id},
            },
            "links": [{"href": link.href, "text": link.text} for link in links],
        }

    def _post(self, path: str, event: dict[str, Any]) -> None:
        self._http.send("POST", self._url + path, content=fitted(event), good=(202,))


def fitted(event: dict[str, Any]) -> bytes:
    """The event as JSON of at most 512 KB: details go first, then links and images."""
    body = json.dumps(event).encode()
    if len(body) <= MAX_BYTES:
        return body
    payload = {name: each for name, each in event["payload"].items() if name != "custom_details"}
    body = json.dumps({**event, "payload": payload}).encode()
    if len(body) <= MAX_BYTES:
        return body
    lean = {name: each for name, each in event.items() if name not in _LAST}
    return json.dumps({**lean, "payload": payload}).encode()
