"""Alertmanager: one alert an incident. It groups, silences and passes on as its own rules say.

An alert is known by its labels: a repeat is the same alert. Where they change (a severity that
rises), the old alert is ended in the request that fires the new one. Alertmanager ends what is not
said again, and forgets at a restart: ``remind`` says it again, until the resolve is five minutes
old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alerts.labels import labels_of
from alerts.notifiers import parts
from alerts.notifiers.fit import clip, plain
from alerts.notifiers.http import TIMEOUT_S, NotDelivered, ReceiverHttp
from alerts.notifiers.http_notifier import HttpNotifier
from alerts.notifiers.protocol import Guarantee, Told, delivered
from alerts.notifiers.secrecy import Hidden
from alerts.types import Delivery, DeliveryOutcome, Message, MessageEvent
from vigil.clock import Clock, SystemClock

FIRING_FOR_S = 600.0
"""An alert that is not said again for so long ends by itself."""

TEST_FOR_S = 120.0
_MOST_AT_ONCE = 200
_MOST_VALUE = 1000
_MOST_TEXT = 4000
_OURS = ("incident", "installation")

Labels = dict[str, str]


class AlertmanagerNotifier(HttpNotifier):
    """Args:
    name: as in the settings.
    url: its address, with the path that it is served under.
    token: a bearer token, where one is asked for; never shown.
    timeout_s: for connecting, and for each silence.
    """

    guarantee = Guarantee.KEYED

    def __init__(
        self,
        name: str,
        *,
        url: str,
        token: str | None = None,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            name,
            ReceiverHttp(
                "alertmanager",
                hidden=Hidden(*([token] if token else [])),
                headers={"Authorization": f"Bearer {token}"} if token else None,
                timeout_s=timeout_s,
            ),
        )
        self._url = f"{url.rstrip('/')}/api/v2/alerts"
        self._clock = clock or SystemClock()

    def _deliver(self, message: Message, thread: Mapping[str, str], unclear: bool) -> Delivery:
        del unclear
        if message.event is MessageEvent.RESOLVE and not thread.get("labels"):
            return delivered(message, sent="nothing: there was no alert to resolve")
        now = self._clock.now()
        alerts = [alert_of(message, now=now)]
        labels, before = alerts[0]["labels"], _labels_in(thread)
        if before and before != labels and message.event is not MessageEvent.TEST:
            alerts.append({**alerts[0], "labels": before, "endsAt": now.isoformat()})
        self._post(alerts)
        return delivered(message, labels=json.dumps(labels), sent=message.event.value)

    def remind(self, told: Sequence[Told]) -> Delivery:
        now = self._clock.now()
        alerts = [alert_of(each.message, now=now) for each in told]
        try:
            for start in range(0, len(alerts), _MOST_AT_ONCE):
                self._post(alerts[start : start + _MOST_AT_ONCE])
        except NotDelivered as stopped:
            return stopped.delivery
        return Delivery(outcome=DeliveryOutcome.DELIVERED)

    def _post(self, alerts: list[dict[str, Any]]) -> None:
        answer = self._http.send("POST", self._url, alerts, good=(200,))
        if answer.is_page:
            raise self._http.stopped(DeliveryOutcome.UNCLEAR, "a page answered, not Alertmanager")


def alert_of(message: Message, *, now: datetime) -> dict[str, Any]:
    """The alert: firing for another ten minutes, or ended."""
    incident = message.incident
    starts_at = min(incident.onset_at or incident.detected_at, now)
    ends_at = now + timedelta(seconds=FIRING_FOR_S)
    if message.event is MessageEvent.TEST:
        ends_at = now + timedelta(seconds=TEST_FOR_S)
    elif message.event is MessageEvent.RESOLVE:
        ends_at = max(starts_at, min(incident.resolved_at or message.sent_at, now))
    return {
        "labels": alert_labels(message),
        "annotations": _annotations(message),
        "startsAt": starts_at.isoformat(),
        "endsAt": ends_at.isoformat(),
        "generatorURL": message.incident_url,
    }


def alert_labels(message: Message) -> Labels:
    """The incident's labels, with names that Alertmanager takes and the incident's own number.

    Names are made of letters, digits and ``_``; empty values are no labels.
    """
    number = str(message.incident.id)
    if message.event is MessageEvent.TEST:
        number = message.id
    elif message.key:
        number = message.key
    found = {"incident": number, "installation": message.installation}
    for name, value in labels_of(message.incident).items():
        valid = re.sub(r"[^a-zA-Z0-9_]", "_", name)
        valid = f"_{valid}" if not valid or valid[0].isdigit() else valid
        valid = f"slice_{valid}" if valid in _OURS else valid
        while valid in found:
            valid += "_"
        found[valid] = value
    cut = {name: clip(plain(value), _MOST_VALUE) for name, value in found.items()}
    return {name: value for name, value in cut.items() if value}


def _annotations(message: Message) -> Labels:
    told = {
        "summary": plain(message.headline),
        "description": "\n".join(
            f"{part.label}: {clip(text, _MOST_TEXT)}"
            for part in parts.parts(message)
            for text in part.texts
        ),
        "state": message.incident.state.value,
        "news": plain(message.note),
        "runbook_url": message.runbook_url,
        "incident_url": message.incident_url,
        "message_id": message.id,
    }
    return {name: clip(text, 10 * _MOST_TEXT) for name, text in told.items() if text}


def _labels_in(thread: Mapping[str, str]) -> Labels:
    """Those that the receipt remembers; none where it holds none that can be read."""
    try:
        found = json.loads(thread.get("labels", "{}"))
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}
