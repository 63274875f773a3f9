"""A retraining through the user's own pipeline: a signed POST that a few lines can receive.

``POST {url}`` with ``{"action": "retrain" | "status", "retraining_id": ..., "order": {...}}``,
signed as ``alerts.actions.signing`` says, ``Idempotency-Key`` equal to the id. Reply: 200 with
``{"state": "accepted" | "absent" | "failed", "text": ..., "url": ...}``. Another state, or none, is
*unclear*. 401, 403, 404 and other 4xx are *failed*; 429, 5xx, time-outs and broken connections
*unclear*: the same order may be sent again, and the receiver takes it once.
"""

from __future__ import annotations

import json

import httpx

from alerts.actions.signed_http import SignedHttp
from monitor.retraining.hooks.http import object_in
from monitor.retraining.hooks.protocol import HookReport, HookState, Order

_STATES = {"accepted", "absent", "failed"}


class WebhookHook(SignedHttp):
    """Has the user's own pipeline train."""

    kind = "webhook"
    is_keyed = True

    def send(self, order: Order) -> HookReport:
        return self._ask("retrain", order)

    def look(self, order: Order) -> HookReport:
        return self._ask("status", order)

    def _ask(self, action: str, order: Order) -> HookReport:
        envelope = {"action": action, "retraining_id": order.id, "order": order.to_json()}
        headers = {"Content-Type": "application/json", "Idempotency-Key": order.id}
        try:
            reply = self._post(json.dumps(envelope, sort_keys=True).encode(), headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = f"{self.host}: no answer ({type(error).__name__})"
            return HookReport(state=HookState.UNCLEAR, text=text)
        body = object_in(reply)
        code, said = reply.status_code, str(body.get("text", ""))[:300]
        if code == 429 or code >= 500:
            text = f"{self.host} answered {code}; tried again. {said}".strip()
            return HookReport(state=HookState.UNCLEAR, text=text)
        if not 200 <= code < 300:
            text = f"{self.host} refused with {code}. {said}".strip()
            return HookReport(state=HookState.FAILED, text=text)
        state = body.get("state")
        if state not in _STATES:
            text = f"{self.host} answered {code} without a state that is known: {state!r:.60}"
            return HookReport(state=HookState.UNCLEAR, text=text)
        return HookReport(
            state=HookState(state),
            text=said or f"{self.host} says {state}",
            receipt={"url": str(body.get("url", ""))[:500]},
        )
