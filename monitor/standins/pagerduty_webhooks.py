"""PagerDuty's V3 webhooks: what a person does there, told to the app, signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

import httpx

from vigil.clock import Clock

_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Subscription:
    """Where webhooks go, and the secrets they are signed with (two while one is changed)."""

    url: str
    secrets: tuple[str, ...]


class Webhooks:
    """Sends events; three 4xx in a row disable the subscription, as at PagerDuty."""

    def __init__(self, clock: Clock) -> None:
        self.subscription: Subscription | None = None
        self.sent: list[dict[str, Any]] = []
        self.disabled = False
        self._clock = clock
        self._dropped = 0

    def event(
        self,
        kind: str,
        data: dict[str, Any],
        *,
        by: str = "Ann",
        agent_type: str = "user_reference",
    ) -> dict[str, Any]:
        """The body of a webhook."""
        number = len(self.sent) + 1
        return {
            "event": {
                "id": f"01STANDIN{number:05d}",
                "event_type": kind,
                "resource_type": "incident",
                "occurred_at": self._clock.now().isoformat().replace("+00:00", "Z"),
                "agent": {
                    "html_url": "https://stand-in.pagerduty.test/users/PANN",
                    "id": "PANN",
                    "self": "https://api.pagerduty.test/users/PANN",
                    "summary": by,
                    "type": agent_type,
                },
                "client": None,
                "data": data,
            }
        }

    def send(self, body: dict[str, Any], *, webhook_id: str = "") -> int | None:
        """The status that came back; None where nobody subscribed (any more)."""
        if self.subscription is None or self.disabled:
            return None
        raw = json.dumps(body).encode()
        signatures = [
            "v1=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()
            for secret in self.subscription.secrets
        ]
        self.sent.append(body)
        reply = httpx.post(
            self.subscription.url,
            content=raw,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "PagerDuty-Webhook/V3.0",
                "X-PagerDuty-Signature": ",".join(signatures),
                "X-Webhook-Id": webhook_id or f"stand-in-{len(self.sent)}",
            },
            timeout=_TIMEOUT_S,
        )
        refused = 400 <= reply.status_code < 500 and reply.status_code != 429
        self._dropped = self._dropped + 1 if refused else 0
        self.disabled = self._dropped >= 3
        return reply.status_code
