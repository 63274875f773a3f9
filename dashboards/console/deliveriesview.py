"""What the page of deliveries shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiverLine:
    """How one receiver fares. ``state``: up, busy, down, trying."""

    receiver: str
    kind: str
    state: str
    down_since: datetime | None
    next_try_at: datetime | None
    last_delivered_at: datetime | None
    last_error: str
    waiting: int
    dead: int
    fallback: str
    per_minute: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterLine:
    """One message to one receiver."""

    id: int
    receiver: str
    incident_id: int | None
    event: str
    state: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime | None
    error: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveriesView:
    receivers: tuple[ReceiverLine, ...]
    dead: tuple[LetterLine, ...]
    waiting: tuple[LetterLine, ...]
    lately: tuple[LetterLine, ...]
