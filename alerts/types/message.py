"""What a receiver is told of an incident, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from alerts.types.incident import Incident
from vigil.types import as_utc


class MessageEvent(StrEnum):
    TRIGGER = "trigger"
    UPDATE = "update"
    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    TEST = "test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    text: str
    href: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A picture that a receiver can fetch by itself; ``href`` is where it leads."""

    src: str
    alt: str
    href: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PendingApproval:
    """An action that waits for a person's yes, which binds to the plan with this hash."""

    action_id: int
    plan_hash: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What a receiver renders. The texts are plain: each notifier escapes them for its medium.

    ``id`` names the message for ever (the outbox's ``dedup_key``). ``done`` is what vigil did,
    ``next`` what it will do, ``todo`` what the person should do. ``note`` is what is new since
    the last message (a thread reply); ``change`` describes a change of what serves (a rollback),
    for receivers that keep such a log. ``installation`` tells this vigil from others that page the
    same people. ``key`` names what the message is about where that is no incident (a summary,
    a digest, vigil's own database); ``incident`` then has the number 0. ``approval`` is what waits
    for a person's yes. ``story`` is what the timeline says since this receiver's last message of
    the incident, up to its line ``story_to``.
    """

    id: str
    event: MessageEvent
    incident: Incident
    headline: str
    what: tuple[str, ...]
    where: str
    since: str
    how_sure: str
    done: tuple[str, ...]
    next: str
    todo: str
    runbook_url: str
    incident_url: str
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    approval: PendingApproval | None = None
    story: tuple[str, ...] = ()
    story_to: int = 0
    note: str = ""
    change: str = ""
    installation: str = ""
    key: str = ""
    sent_at: datetime

    @property
    def thread_key(self) -> str:
        """The same for all messages of one incident (PagerDuty's ``dedup_key``)."""
        if self.key:
            return self.key
        if self.event is MessageEvent.TEST:
            return self.id
        named = f"-{self.installation}" if self.installation else ""
        return f"vigil{named}-incident-{self.incident.id}"

    def to_json(self) -> dict[str, Any]:
        plain: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        plain["event"] = self.event.value
        plain["incident"] = self.incident.to_json()
        plain["what"], plain["done"] = list(self.what), list(self.done)
        plain["links"] = [{"text": link.text, "href": link.href} for link in self.links]
        plain["images"] = [asdict(image) for image in self.images]
        plain["approval"] = asdict(self.approval) if self.approval else None
        plain["story"] = list(self.story)
        plain["sent_at"] = self.sent_at.isoformat()
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Message:
        asked = plain.get("approval")
        return cls(
            **{
                **plain,
                "event": MessageEvent(plain["event"]),
                "incident": Incident.from_json(plain["incident"]),
                "what": tuple(plain["what"]),
                "done": tuple(plain["done"]),
                "links": tuple(Link(**link) for link in plain["links"]),
                "images": tuple(Image(**image) for image in plain.get("images", ())),
                "approval": PendingApproval(**asked) if asked else None,
                "story": tuple(plain.get("story", ())),
                "sent_at": as_utc(datetime.fromisoformat(plain["sent_at"]), what="sent_at"),
            }
        )


class DeliveryOutcome(StrEnum):
    """``unclear``: the receiver may or may not have it (no answer came)."""

    DELIVERED = "delivered"
    RETRY = "retry"
    FAILED = "failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """What came of one attempt. ``error`` never holds a secret."""

    outcome: DeliveryOutcome
    receipt: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
    retry_after_s: float | None = None
