"""Alerts of other systems, as Alertmanager's webhook tells them (payload version "4").

Pure: bytes in, values out. Fields that we do not know are passed over; texts are cleaned and cut.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alerts.notifiers.fit import clip, plain
from alerts.types import Alert, AlertKind, Incident, Severity
from vigil.errors import WireError
from vigil.types import Cause

SOURCE = "alertmanager"
VERSION = "4"
MOST_ALERTS = 50_000
_LABELS, _NAME, _VALUE, _TEXT = 64, 200, 500, 500

_SEVERITIES = {
    Severity.CRITICAL: ("critical", "page", "fatal", "emergency", "p1"),
    Severity.ERROR: ("error", "high", "major", "p2"),
    Severity.WARNING: ("warning", "warn", "medium", "minor", "ticket", "p3"),
    Severity.INFO: ("info", "informational", "low", "none", "p4", "p5"),
}
_BY_WORD = {word: severity for severity, words in _SEVERITIES.items() for word in words}


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalAlert:
    """One alert. ``fingerprint`` is the sender's own; ``text`` says what is wrong in a line."""

    fingerprint: str
    firing: bool
    labels: Mapping[str, str]
    text: str
    starts_at: datetime
    ends_at: datetime | None

    @property
    def name(self) -> str:
        return self.labels.get("alertname", "an alert")

    @property
    def model(self) -> str:
        """Label ``model``, else ``service``, else ``job``."""
        named = (self.labels.get(each) for each in ("model", "service", "job"))
        return next((each for each in named if each), "unknown")

    @property
    def deployment(self) -> str:
        """Label ``deployment``; empty where there is none."""
        return self.labels.get("deployment", "")

    @property
    def version(self) -> str:
        return self.labels.get("version", "")

    @property
    def upstream(self) -> str:
        return self.labels.get("upstream", "")

    @property
    def severity(self) -> Severity:
        """Label ``severity`` by its usual words; a warning where it is none of them."""
        word = self.labels.get("severity", "").lower()
        return _BY_WORD.get(word, Severity.WARNING)

    @property
    def cause(self) -> Cause:
        """Label ``kind`` where it names a cause; else the service is at fault."""
        kind = self.labels.get("kind", "")
        return Cause(kind) if kind in set(Cause) else Cause.SERVICE_FAULT

    @property
    def kind(self) -> AlertKind:
        return AlertKind.of(self.cause)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """What one request told. ``truncated`` alerts were left out by the sender; ``unread`` had no
    labels or no start."""

    alerts: tuple[ExternalAlert, ...]
    truncated: int
    unread: int


def read_batch(body: bytes) -> Batch:
    """The alerts of a webhook of Alertmanager, each fingerprint once.

    Raises:
        WireError: not such a payload, or of another version than 4.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        raise WireError("expected Alertmanager's webhook payload, found no JSON") from None
    alerts = payload.get("alerts") if isinstance(payload, dict) else None
    if not isinstance(payload, dict) or not isinstance(alerts, list):
        raise WireError("expected Alertmanager's webhook payload, with a list of alerts")
    if str(payload.get("version")) != VERSION:
        found = clip(plain(str(payload.get("version"))), 20)
        raise WireError(f"version: expected {VERSION!r}, found {found!r}")
    if len(alerts) > MOST_ALERTS:
        raise WireError(f"alerts: expected at most {MOST_ALERTS}, found {len(alerts)}")
    read = [_alert(each) for each in alerts]
    known = {each.fingerprint: each for each in read if each is not None}
    truncated = payload.get("truncatedAlerts")
    return Batch(
        alerts=tuple(known.values()),
        truncated=truncated if isinstance(truncated, int) and truncated > 0 else 0,
        unread=sum(each is None for each in read),
    )


def is_external(incident: Incident) -> bool:
    """Whether another system raised it: then that system says when it is over."""
    return incident.labels.get("source") == SOURCE


def _alert(said: Any) -> ExternalAlert | None:
    if not isinstance(said, dict):
        return None
    labels, notes = _texts(said.get("labels")), _texts(said.get("annotations"))
    starts_at = _time(said.get("startsAt"))
    if not labels or starts_at is None:
        return None
    text = notes.get("summary") or notes.get("description") or notes.get("message") or ""
    own = Alert(labels=labels, starts_at=starts_at).fingerprint
    return ExternalAlert(
        fingerprint=clip(plain(str(said.get("fingerprint") or "")), 64) or own,
        firing=said.get("status") != "resolved",
        labels=labels,
        text=clip(text, _TEXT),
        starts_at=starts_at,
        ends_at=_time(said.get("endsAt")),
    )


def _texts(said: Any) -> dict[str, str]:
    if not isinstance(said, dict):
        return {}
    clean = {
        clip(plain(str(name)), _NAME): clip(plain(str(value)), _VALUE)
        for name, value in list(said.items())[:_LABELS]
    }
    return {name: value for name, value in clean.items() if name}


def _time(said: Any) -> datetime | None:
    """None for what is no time, and for the year 1, by which Go says "not yet"."""
    try:
        moment = datetime.fromisoformat(str(said))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year > 1 else None
