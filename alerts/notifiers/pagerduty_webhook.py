"""What PagerDuty's V3 webhooks say, and whether they are PagerDuty's.

``X-PagerDuty-Signature: v1=<hex>[,v1=<hex>]``: HMAC-SHA256 of the raw body, several while a
secret is being changed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from alerts.notifiers.fit import clip, plain
from vigil.types import as_utc

_MOST_SIGNATURES = 10
_NAME, _NOTE = 100, 1000
_OURS = re.compile(r"vigil-(?P<installation>[0-9A-Za-z]+)-incident-(?P<id>[0-9]{1,18})", re.ASCII)


class Happened(StrEnum):
    """The events that move an incident of ours."""

    ACKNOWLEDGED = "incident.acknowledged"
    RESOLVED = "incident.resolved"
    REOPENED = "incident.reopened"
    ANNOTATED = "incident.annotated"
    ESCALATED = "incident.escalated"


@dataclass(frozen=True, kw_only=True, slots=True)
class PagerDutyEvent:
    """``what`` is none for events that we only note.

    ``their_id`` is PagerDuty's number of the incident, ``dedup_key`` the one it was triggered with;
    an annotation has no ``dedup_key``. ``echo``: an integration did it, such as our own trigger.
    """

    id: str
    what: Happened | None
    occurred_at: datetime | None
    by: str
    echo: bool
    their_id: str
    dedup_key: str
    text: str


def is_from_pagerduty(body: bytes, *, secret: str, header: str | None) -> bool:
    """Whether one of the signatures is that of the body under our secret."""
    if not header:
        return False
    right = b"v1=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest().encode()
    given = header.encode("utf-8", "surrogateescape").split(b",")[:_MOST_SIGNATURES]
    return any(hmac.compare_digest(right, each.strip()) for each in given)


def read_event(body: bytes) -> PagerDutyEvent | None:
    """The event of a webhook; None where the body is none."""
    try:
        event = json.loads(body)["event"]
        kind, data = str(event["event_type"]), event["data"]
        incident = data.get("incident") if data.get("type") == "incident_note" else data
        agent = event.get("agent") or {}
        return PagerDutyEvent(
            id=plain(str(event["id"])),
            what=Happened(kind) if kind in set(Happened) else None,
            occurred_at=_time(event.get("occurred_at")),
            by=clip(plain(str(agent.get("summary") or "automation")), _NAME),
            echo=str(agent.get("type", "")).endswith("integration_reference"),
            their_id=plain(str(incident.get("id") or "")),
            dedup_key=str(incident.get("incident_key") or ""),
            text=clip(plain(_text(kind, data)), _NOTE),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def our_incident(dedup_key: str, *, installation: str) -> int | None:
    """The number of the incident that was triggered under a key; None where it is not ours."""
    found = _OURS.fullmatch(dedup_key)
    if found is None or found["installation"] != installation:
        return None
    return int(found["id"])


def _text(kind: str, data: dict[str, Any]) -> str:
    if kind == Happened.ANNOTATED:
        return str(data.get("content") or "")
    if kind == Happened.ESCALATED:
        people = [str(each.get("summary") or "") for each in data.get("assignees") or []]
        return ", ".join(each for each in people if each)
    return ""


def _time(text: Any) -> datetime | None:
    try:
        return as_utc(datetime.fromisoformat(str(text)), what="occurred_at")
    except (ValueError, TypeError):
        return None
