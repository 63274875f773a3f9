"""PagerDuty Events v2: one alert an incident, under one ``dedup_key`` for its whole life.

A trigger opens it, an acknowledgement and a resolve follow, in order and through the same routing
key. Updates are not sent: a repeated trigger would reopen what someone resolved in PagerDuty. A
rollback is posted as a change event. Repeats of one key are dropped by PagerDuty, so nothing
arrives twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx

from alerts.notifiers.protocol import Guarantee
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent

MAX_BYTES = 512 * 1024
MAX_SUMMARY = 1024
MAX_DEDUP_KEY = 255


class PagerDutyNotifier:
    """Args:
    name: as in the settings.
    routing_key: of the integration; never shown.
    url: of the events API.
    timeout_s: for one request.
    """

    guarantee = Guarantee.KEYED

    def __init__(
        self,
        name: str,
        *,
        routing_key: str,
        url: str = "https://events.pagerduty.com",
        timeout_s: float = 10.0,
        client: httpx.Client | None = None,
    ) -> None:
        self.name = name
        self._routing_key = routing_key
        self._url = url.rstrip("/")
        self._client = client or httpx.Client(timeout=timeout_s, follow_redirects=False)

    def __repr__(self) -> str:
        return f"PagerDutyNotifier({self.name!r})"

    def close(self) -> None:
        self._client.close()

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        del unclear
        key = message.thread_key[:MAX_DEDUP_KEY]
        known = {"dedup_key": key} if thread.get("dedup_key") else {}
        if message.change:
            told = self._post("/v2/change/enqueue", self._change(message))
            if told.outcome is not DeliveryOutcome.DELIVERED:
                return told
        action = {
            MessageEvent.TRIGGER: "trigger",
            MessageEvent.TEST: "trigger",
            MessageEvent.ACKNOWLEDGE: "acknowledge",
            MessageEvent.RESOLVE: "resolve",
        }.get(message.event)
        if action is None:
            sent = "change event" if message.change else "nothing: PagerDuty shows no updates"
            return _delivered({**known, "message_id": message.id, "sent": sent})
        if action != "trigger" and not known:
            sent = f"nothing: there was no trigger to {action}"
            return _delivered({"message_id": message.id, "sent": sent})
        told = self._post("/v2/enqueue", self._event(message, action, key))
        if told.outcome is DeliveryOutcome.DELIVERED and message.event is MessageEvent.TEST:
            told = self._post("/v2/enqueue", self._event(message, "resolve", key))
        if told.outcome is not DeliveryOutcome.DELIVERED:
            return told
        return _delivered({"dedup_key": key, "message_id": message.id, "sent": action})

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
        return {
            "routing_key": self._routing_key,
            "payload": {
                "summary": message.change[:MAX_SUMMARY],
                "source": f"{incident.model}/{incident.deployment}",
                "timestamp": message.sent_at.isoformat(),
                "custom_details": {"incident": incident.id, "message id": message.id},
            },
            "links": [{"href": message.incident_url, "text": f"Incident {incident.id}"}],
        }

    def _post(self, path: str, event: dict[str, Any]) -> Delivery:
        try:
            reply = self._client.post(
                self._url + path,
                content=fitted(event),
                headers={"Content-Type": "application/json"},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Delivery(
                outcome=DeliveryOutcome.RETRY,
                error=f"pagerduty: out of reach ({type(error).__name__})",
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Delivery(
                outcome=DeliveryOutcome.UNCLEAR,
                error=f"pagerduty: no answer ({type(error).__name__})",
            )
        return self._judged(reply)

    def _judged(self, reply: httpx.Response) -> Delivery:
        code = reply.status_code
        if code == 202:
            return _delivered({})
        said = reply.text.replace(self._routing_key, "(routing key)")[:300]
        told = f"pagerduty: HTTP {code} {said}".strip()
        if code == 429 or code >= 500:
            return Delivery(
                outcome=DeliveryOutcome.RETRY,
                error=told,
                retry_after_s=_seconds(reply.headers.get("Retry-After")),
            )
        return Delivery(outcome=DeliveryOutcome.FAILED, error=told)


def fitted(event: dict[str, Any]) -> bytes:
    """The event as JSON of at most 512 KB: details go first, then links."""
    body = json.dumps(event).encode()
    if len(body) <= MAX_BYTES:
        return body
    payload = {name: each for name, each in event["payload"].items() if name != "custom_details"}
    body = json.dumps({**event, "payload": payload}).encode()
    if len(body) <= MAX_BYTES:
        return body
    lean = {name: each for name, each in event.items() if name not in ("links", "client_url")}
    return json.dumps({**lean, "payload": payload}).encode()


def _delivered(receipt: Mapping[str, str]) -> Delivery:
    return Delivery(outcome=DeliveryOutcome.DELIVERED, receipt=receipt)


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None
