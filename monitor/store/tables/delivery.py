"""What people are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.tables.base import Base, BigId


class OutboxRow(Base):
    """One message to one receiver, written in the transaction of its cause.

    ``dedup_key`` is unique: a message is written once. ``state``: waiting, delivered, dead,
    summarised (told in a summary instead), withdrawn (no longer true before it went).
    ``receipt`` is what the receiver gave back (Slack's channel and ts, PagerDuty's dedup key).
    """

    __tablename__ = "outbox"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    dedup_key: Mapped[str] = mapped_column(String(250), unique=True)
    receiver: Mapped[str] = mapped_column(String(100))
    incident_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str] = mapped_column(
        String(30)
    )  # trigger | update | acknowledge | resolve | test
    message: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(20), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime] = mapped_column(index=True)
    attempted_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    receipt: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")  # why this receiver
    fallback_of: Mapped[int | None] = mapped_column(BigId)  # the message it stands in for
    __table_args__ = (Index(None, "event", "state"),)


class ReceiverRow(Base):
    """How a receiver fares, whoever delivers.

    ``failures`` in a row, the first at ``down_since``; until ``open_until`` nothing is tried
    (circuit breaker). ``sent`` messages went since ``counted_since`` (rate limit). ``digest_at``:
    the end of the last digest.
    """

    __tablename__ = "receivers"
    receiver: Mapped[str] = mapped_column(String(100), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    open_until: Mapped[datetime | None]
    down_since: Mapped[datetime | None]
    last_delivered_at: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(Text, default="")
    counted_since: Mapped[datetime | None]
    sent: Mapped[int] = mapped_column(default=0)
    digest_at: Mapped[datetime | None]


class SilenceRow(Base):
    """Who is not told of what, until when. ``kind``: silence, maintenance, freeze.

    ``matchers``: ``[{"label", "op", "value"}]``, all of which must hold. ``recurrence``:
    ``{"rule", "time_zone", "duration_s"}`` or null; then it holds in each occurrence between
    ``starts_at`` and ``ends_at``.
    """

    __tablename__ = "silences"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    matchers: Mapped[list[Any]]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime] = mapped_column(index=True)
    recurrence: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    comment: Mapped[str] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(String(200), default="")
    matched: Mapped[int] = mapped_column(default=0)
    last_matched_at: Mapped[datetime | None]


class InboundEventRow(Base):
    """An event that a provider sent us, kept so that a repeat changes nothing.

    ``subject`` is the provider's own name for the incident, where it told one, and
    ``incident_id`` ours: later events may name theirs alone.
    """

    __tablename__ = "inbound_events"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    provider: Mapped[str] = mapped_column(String(30))
    event_id: Mapped[str] = mapped_column(String(200))
    received_at: Mapped[datetime] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(String(200), default="", index=True)
    incident_id: Mapped[int | None] = mapped_column(BigId)
    __table_args__ = (UniqueConstraint("provider", "event_id"),)
