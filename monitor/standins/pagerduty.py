"""A stand-in for PagerDuty's Events API v2: alerts by ``dedup_key``, and change events."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from monitor.standins.faults import Faults
from monitor.standins.pagerduty_webhooks import Webhooks
from monitor.standins.reply import Reply, Request, as_json
from vigil.clock import Clock

_LIMIT = 512 * 1024
_ACTS = {
    "acknowledge": ("incident.acknowledged", "acknowledged"),
    "resolve": ("incident.resolved", "resolved"),
    "reopen": ("incident.reopened", "triggered"),
    "escalate": ("incident.escalated", "triggered"),
}
_SEVERITIES = ("critical", "error", "warning", "info")


@dataclass(kw_only=True)
class PagerDutyIncident:
    """What PagerDuty makes of the events of one ``dedup_key``."""

    dedup_key: str
    event: dict[str, Any]
    state: str = "triggered"
    log: list[tuple[datetime, str]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        shown = {name: value for name, value in self.event.items() if name != "routing_key"}
        log = [{"at": at.isoformat(), "what": what} for at, what in self.log]
        return {**shown, "dedup_key": self.dedup_key, "state": self.state, "log": log}


class PagerDutyStandIn:
    """Args:
    clock: dates events.
    routing_key: the only one accepted; any of 32 characters where None.
    """

    def __init__(self, clock: Clock, *, routing_key: str | None = None) -> None:
        self.faults = Faults()
        self.incidents: list[PagerDutyIncident] = []
        self.changes: list[dict[str, Any]] = []
        self.dropped: list[dict[str, Any]] = []
        self.refused: list[dict[str, str]] = []
        self.webhooks = Webhooks(clock)
        self._clock = clock
        self._routing_key = routing_key
        self._lock = threading.RLock()

    def answer(self, request: Request, path: str) -> Reply:
        fault = self.faults.take()
        if fault is not None and fault.status is not None:
            headers = (
                {} if fault.retry_after_s is None else {"Retry-After": f"{fault.retry_after_s:g}"}
            )
            return as_json({"status": "fault"}, fault.status, headers)
        with self._lock:
            reply = self._take(request, path)
        return Reply(lost=True) if fault is not None and fault.lose_answer else reply

    def act(self, dedup_key: str, what: str, *, by: str = "Ann") -> int | None:
        """What a person does to an incident in PagerDuty: acknowledge, resolve or reopen it.

        Returns the status that the webhook's receiver answered with, if there is one.

        Raises:
            LookupError: nothing was triggered under this key.
        """
        with self._lock:
            found = {each.dedup_key: each for each in self.incidents}[dedup_key]
            kind, found.state = _ACTS[what]
            found.log.append((self._clock.now(), f"{what} by {by}"))
            data = {
                "id": f"Q{self.incidents.index(found) + 1:08d}",
                "type": "incident",
                "incident_key": dedup_key,
                "title": str((found.event.get("payload") or {}).get("summary", "")),
                "status": found.state,
                "assignees": [{"id": "PANN", "summary": by, "type": "user_reference"}],
            }
        return self.webhooks.send(self.webhooks.event(kind, data, by=by))

    def note(self, dedup_key: str, text: str, *, by: str = "Ann") -> int | None:
        """A person's note. Its webhook names the incident by PagerDuty's number alone."""
        number = [each.dedup_key for each in self.incidents].index(dedup_key) + 1
        incident = {"id": f"Q{number:08d}", "type": "incident_reference", "summary": ""}
        data = {"id": "P1", "type": "incident_note", "content": text, "incident": incident}
        return self.webhooks.send(self.webhooks.event("incident.annotated", data, by=by))

    def _take(self, request: Request, path: str) -> Reply:
        if len(request.body) > _LIMIT:
            return self._refuse(413, f"{len(request.body)} bytes, at most {_LIMIT}")
        event = request.json()
        wrong = "not a JSON object" if event is None else self._fault_of(event, path)
        if wrong is not None or event is None:
            return self._refuse(400, wrong or "not a JSON object")
        if path == "/v2/change/enqueue":
            shown = {name: value for name, value in event.items() if name != "routing_key"}
            self.changes.append({**shown, "at": self._clock.now().isoformat()})
            return as_json({"status": "success", "message": "Change event processed"}, 202)
        key = str(event.get("dedup_key") or f"generated-{len(self.incidents) + 1}")
        self._apply(event, key)
        return as_json({"status": "success", "message": "Event processed", "dedup_key": key}, 202)

    def _apply(self, event: dict[str, Any], key: str) -> None:
        action, now = event["event_action"], self._clock.now()
        alive = next(
            (each for each in self.incidents if each.dedup_key == key and each.state != "resolved"),
            None,
        )
        if action == "trigger":
            if alive is None:
                alive = PagerDutyIncident(dedup_key=key, event=event)
                self.incidents.append(alive)
            alive.log.append((now, "trigger"))
        elif alive is None:
            self.dropped.append({"dedup_key": key, "event_action": action})
        else:
            alive.state = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
            alive.log.append((now, action))

    def _fault_of(self, event: dict[str, Any], path: str) -> str | None:
        key = event.get("routing_key")
        if not isinstance(key, str) or len(key) != 32:
            return "routing_key: expected 32 characters"
        if self._routing_key is not None and key != self._routing_key:
            return "routing_key: unknown"
        if path == "/v2/change/enqueue":
            changed = _text(event.get("payload"), "summary", 1024)
            return None if changed else "payload.summary is required"
        action = event.get("event_action")
        if action not in ("trigger", "acknowledge", "resolve"):
            return f"event_action: {action!r}"
        if len(str(event.get("dedup_key") or "")) > 255:
            return "dedup_key: at most 255 characters"
        if action != "trigger":
            return None if event.get("dedup_key") else "dedup_key is required"
        return self._trigger_fault(event)

    @staticmethod
    def _trigger_fault(event: dict[str, Any]) -> str | None:
        payload = event.get("payload")
        if not _text(payload, "summary", 1024):
            return "payload.summary: 1 to 1024 characters"
        if not _text(payload, "source", 1024):
            return "payload.source is required"
        if not isinstance(payload, dict) or payload.get("severity") not in _SEVERITIES:
            return "payload.severity: critical, error, warning or info"
        for image in event.get("images") or []:
            if not str(image.get("src", "")).startswith("https://"):
                return "images.src: https only"
        for link in event.get("links") or []:
            if not link.get("href"):
                return "links.href is required"
        return None

    def _refuse(self, status: int, why: str) -> Reply:
        self.refused.append({"status": str(status), "why": why})
        return as_json({"status": "invalid event", "errors": [why]}, status)


def _text(payload: Any, name: str, limit: int) -> bool:
    value = payload.get(name) if isinstance(payload, dict) else None
    return isinstance(value, str) and 0 < len(value) <= limit
