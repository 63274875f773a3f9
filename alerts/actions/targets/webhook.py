"""A rollback through the user's own pipeline: a signed POST that a few lines can receive.

Request: ``POST {url}`` with the JSON body ``{"action": "dry_run" | "execute" | "status"
| "verify", "plan_id": ..., "plan": {...}}``, signed as ``alerts.actions.signing`` says,
``Idempotency-Key`` equal to the plan's id. ``status`` asks what came of the plan, ``verify`` what
serves now; a receiver that doesn't know ``verify`` refuses it, which is *unclear*.

Reply: 200 with ``{"state": "ready" | "pending" | "executed" | "conflict" | "failed", "text": ...,
"serving": version}``. Another state, or a 2xx without one, is *unclear*, never a success. 401, 403,
404 and other 4xx are *failed*; 429, 5xx, time-outs and broken connections are *unclear*: the same
plan may be sent again, and the receiver carries it out once. ``monitor.standins.pipeline`` is a
reference receiver.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from alerts.actions.signed_http import SignedHttp
from alerts.actions.targets.envelope import Planned, envelope
from alerts.actions.targets.protocol import TargetReport, TargetState

_STATES = {each.value for each in TargetState} - {TargetState.UNCLEAR.value}


class SignedWebhook(SignedHttp):
    """Has a plan carried out by the user's own pipeline."""

    kind = "webhook"

    def serving(self, model: str, deployment: str) -> str | None:
        """None: the webhook knows plans, not models; the windows that arrive tell what serves."""
        del model, deployment
        return None

    def dry_run(self, plan: Planned) -> TargetReport:
        return self._send("dry_run", plan)

    def execute(self, plan: Planned) -> TargetReport:
        return self._send("execute", plan)

    def status(self, plan: Planned) -> TargetReport:
        return self._send("status", plan)

    def verify(self, plan: Planned) -> TargetReport:
        report = self._send("verify", plan)
        refused = not report.receipt.get("status", "").startswith("2")
        if report.state is TargetState.FAILED and refused:
            return replace(report, state=TargetState.UNCLEAR)
        return report

    def _send(self, action: str, plan: Planned) -> TargetReport:
        body = envelope(action, plan)
        headers = {"Content-Type": "application/json", "Idempotency-Key": plan.id}
        try:
            reply = self._post(body, headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            text = f"{self.host}: no answer ({type(error).__name__})"
            return TargetReport(state=TargetState.UNCLEAR, text=text)
        return _report(reply, self.host)


def _report(reply: httpx.Response, host: str) -> TargetReport:
    code = reply.status_code
    try:
        plain: Any = reply.json()
    except ValueError:
        plain = None
    said = str(plain.get("text", ""))[:500] if isinstance(plain, dict) else ""
    if code == 429 or code >= 500:
        text = f"{host} answered {code}; may be tried again. {said}".strip()
        return TargetReport(state=TargetState.UNCLEAR, text=text)
    if not 200 <= code < 300:
        text = f"{host} refused with {code}. {said}".strip()
        return TargetReport(state=TargetState.FAILED, text=text, receipt={"status": str(code)})
    state = plain.get("state") if isinstance(plain, dict) else None
    if state not in _STATES:
        text = f"{host} answered {code} without a state that is known: {state!r:.60}"
        return TargetReport(state=TargetState.UNCLEAR, text=text)
    return TargetReport(
        state=TargetState(state),
        text=said or f"{host} says {state}",
        receipt={"status": str(code), "serving": str(plain.get("serving", ""))[:200]},
    )
