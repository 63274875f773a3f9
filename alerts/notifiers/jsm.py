"""Jira Service Management alerts (and Opsgenie, whose API it is): one alert an incident, by alias.

While an alert of an alias is open, a repeat only counts it up, so people see one. Notes have no
key: before one is repeated, the alert's notes are searched for our id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from alerts.labels import labels_of
from alerts.notifiers import parts
from alerts.notifiers.fit import clip, plain, shrunk
from alerts.notifiers.http import TIMEOUT_S, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, Message, MessageEvent, Severity

MAX_MESSAGE = 130
MAX_ALIAS = 512
MAX_DESCRIPTION = 15_000
MAX_DETAILS = 8000
MAX_TAGS, MAX_TAG = 20, 50
MAX_NOTE = 25_000
_TAKEN = (202,)
_UNREADABLE = (401, 403, 404)
_PRIORITY = {
    Severity.CRITICAL: "P1",
    Severity.ERROR: "P2",
    Severity.WARNING: "P3",
    Severity.INFO: "P5",
}


class JsmNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    key: of the API integration; never shown.
    url: of the API.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.KEYED

    def __init__(self, name: str, *, key: str, url: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(
            name,
            ReceiverHttp(
                "jsm",
                hidden=Hidden(key),
                headers={"Authorization": f"GenieKey {key}"},
                timeout_s=timeout_s,
            ),
        )
        self._url = f"{url.rstrip('/')}/alerts"

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        priority = _PRIORITY[message.incident.severity]
        match message.event:
            case MessageEvent.TRIGGER:
                self._send("POST", "", opening(message))
            case MessageEvent.TEST:
                self._send("POST", "", opening(message))
                self._act(message, "close")
            case MessageEvent.ACKNOWLEDGE:
                self._act(message, "acknowledge")
            case MessageEvent.RESOLVE:
                self._act(message, "close")
            case MessageEvent.UPDATE:
                self._update(message, thread, priority, unclear=unclear)
        return delivered(
            message, alias=_alias(message), priority=priority, sent=message.event.value
        )

    def _update(
        self, message: Message, thread: Mapping[str, str], priority: str, *, unclear: bool
    ) -> None:
        if thread.get("priority") not in (None, priority):
            self._send("PUT", _of(message, "priority"), {"priority": priority})
        if parts.is_silent(message) or (unclear and self._is_noted(message)):
            return
        self._send("POST", _of(message, "notes"), _note(message))

    def _is_noted(self, message: Message) -> bool:
        """Whether our note is there; False where the key may not read: better twice than never."""
        answer = self._http.send("GET", self._url + _of(message, "notes"), accept=_UNREADABLE)
        found = answer.object().get("data")
        notes = found if isinstance(found, list) else []
        return any(
            isinstance(each, dict) and parts.mark(message) in str(each.get("note"))
            for each in notes
        )

    def _act(self, message: Message, action: str) -> None:
        self._send("POST", _of(message, action), _note(message))

    def _send(self, method: str, path: str, plain: dict[str, Any]) -> None:
        self._http.send(method, self._url + path, plain, good=_TAKEN)


def _alias(message: Message) -> str:
    return message.thread_key[:MAX_ALIAS]


def _of(message: Message, what: str) -> str:
    more = "&limit=100&order=desc" if what == "notes" else ""
    return f"/{quote(_alias(message), safe='')}/{what}?identifierType=alias{more}"


def opening(message: Message) -> dict[str, Any]:
    """What opens the alert, within the limits of the API."""
    incident = message.incident
    labels = {clip(plain(k), 100): clip(plain(v), 200) for k, v in labels_of(incident).items()}
    details: dict[str, str] = {}
    for key, value in (*labels.items(), ("message id", message.id)):
        if sum(len(k) + len(v) for k, v in details.items()) + len(key) + len(value) < MAX_DETAILS:
            details[key] = value
    tags = ("vigil", incident.kind.value, incident.model, incident.deployment)
    return {
        "message": clip(parts.title(message), MAX_MESSAGE),
        "alias": _alias(message),
        "description": shrunk(
            lambda limit: "\n".join(parts.as_lines(message, limit=limit)), len, MAX_DESCRIPTION
        ),
        "tags": [clip(plain(tag), MAX_TAG) for tag in tags][:MAX_TAGS],
        "details": details,
        "entity": clip(plain(f"{incident.model}/{incident.deployment}"), MAX_ALIAS),
        "source": "vigil",
        "priority": _PRIORITY[incident.severity],
    }


def _note(message: Message) -> dict[str, Any]:
    told = clip(plain(message.note or message.headline), MAX_NOTE - 500)
    return {"user": "vigil", "source": "vigil", "note": f"{told}\n{parts.mark(message)}"}
