"""A sign of life for whoever misses it: a URL that is fetched, an alert that is kept firing.

It is sent only while all is well, so silence means trouble, whatever the trouble is. The alert
``VigilAlive`` ends by itself at Alertmanager three beats after the last one; a rule there on its
absence (or a receiver such as a dead-man's switch) raises the alarm. PagerDuty's Events API can't
miss an event that does not come.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx

from monitor.settings.alerting import Heartbeat as Rules
from monitor.settings.receivers import AlertmanagerReceiver
from monitor.settings.schema import Settings
from monitor.settings.secrets import read_secret

log = logging.getLogger("vigil.watch")

ALIVE = "VigilAlive"
BEATS = 3.0
_TIMEOUT_S = 5.0


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class _Alertmanager:
    url: str
    headers: Mapping[str, str]


class Heartbeat:
    """Raises ConfigError at the start where a token is not where the settings say."""

    def __init__(self, settings: Settings, *, client: httpx.Client | None = None) -> None:
        self._rules: Rules = settings.heartbeat
        self._page = settings.service.url
        self._client = client or httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False)
        self._managers = {
            name: _alertmanager(settings, name) for name in settings.heartbeat.receivers
        }
        self._last: datetime | None = None
        self._failed: set[str] = set()

    def beat_due(self, now: datetime, *, installation: str, started_at: datetime) -> int:
        """Send the signs of life that are due; returns how many arrived."""
        every = timedelta(seconds=self._rules.every_s)
        if self._last is not None and now - self._last < every:
            return 0
        self._last = now
        arrived = 0
        if self._rules.url is not None:
            arrived += self._send("the heartbeat's url", "GET", self._rules.url)
        for name, manager in self._managers.items():
            alert = {
                "labels": {
                    "alertname": ALIVE,
                    "installation": installation or "unknown",
                    "severity": "none",
                },
                "annotations": {"summary": "vigil is alive and does its work"},
                "startsAt": started_at.isoformat(),
                "endsAt": (now + BEATS * every).isoformat(),
                "generatorURL": self._page,
            }
            arrived += self._send(
                name,
                "POST",
                f"{manager.url.rstrip('/')}/api/v2/alerts",
                json=[alert],
                headers=dict(manager.headers),
            )
        return arrived

    def _send(self, name: str, method: str, url: str, **request: object) -> bool:
        try:
            reply = self._client.request(method, url, **request)  # type: ignore[arg-type]
            good, said = reply.is_success, f"HTTP {reply.status_code}"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            good, said = False, type(error).__name__
        if good:
            self._failed.discard(name)
        elif name not in self._failed:
            log.warning("no sign of life to %s, tried again: %s", name, said)
            self._failed.add(name)
        return good

    def close(self) -> None:
        self._client.close()


def _alertmanager(settings: Settings, name: str) -> _Alertmanager:
    receiver = settings.receivers[name]
    assert isinstance(receiver, AlertmanagerReceiver)  # the settings' own check
    if receiver.token is None:
        return _Alertmanager(url=receiver.url, headers={})
    token = read_secret(receiver.token, key=f"receivers.{name}.token").reveal()
    return _Alertmanager(url=receiver.url, headers={"Authorization": f"Bearer {token}"})
