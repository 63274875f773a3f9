"""What was judged: ticks, state, points, coverage, verdicts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.tables.base import Base, BigId


class TickRow(Base):
    """One fleet tick. ``id`` is its number, so that it happens once, whoever holds the lease."""

    __tablename__ = "ticks"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    end_at: Mapped[datetime] = mapped_column(unique=True)
    started_at: Mapped[datetime]
    duration_ms: Mapped[float]
    windows: Mapped[int]
    streams: Mapped[int]
    holder: Mapped[str] = mapped_column(String(200))


class StateRow(Base):
    """State of the evidence engine and other small blobs; written with the tick that made it."""

    __tablename__ = "state"
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    tick_id: Mapped[int | None] = mapped_column(BigId)
    updated_at: Mapped[datetime]
    blob: Mapped[bytes]


class SignalPointRow(Base):
    """One tick of one model, deployment and version: the scores for the console's time series.

    ``values``: ``{slice: {signal: [score_z, effect, evidence, mean, records]}}``.
    """

    __tablename__ = "signal_points"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tick_id: Mapped[int] = mapped_column(BigId, ForeignKey("ticks.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    versions: Mapped[dict[str, Any]]  # version -> records
    records: Mapped[int] = mapped_column(BigInteger)
    values: Mapped[dict[str, Any]]
    __table_args__ = (Index(None, "model", "deployment", "at"),)


class CoverageRow(Base):
    """What could be found on each stream of one model, as of its last look; overwritten.

    ``needed``: windows of history before a stream is judged on its own. ``values``:
    ``{slice: {signal: [history, smallest findable shift or null]}}``, the shift in units of the
    stream's score.
    """

    __tablename__ = "coverage"
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(200), primary_key=True)
    at: Mapped[datetime]
    needed: Mapped[int]
    values: Mapped[dict[str, Any]]


class VerdictRow(Base):
    """Every verdict that is not healthy, and the change back to healthy."""

    __tablename__ = "verdicts"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    tick_id: Mapped[int] = mapped_column(BigId, ForeignKey("ticks.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(index=True)
    check: Mapped[str] = mapped_column(String(50))
    model: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    slice: Mapped[str] = mapped_column(Text)
    signal: Mapped[str] = mapped_column(String(100))
    outcome: Mapped[str] = mapped_column(String(20))
    score: Mapped[float]
    evidence: Mapped[float]
    effect: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    onset_at: Mapped[datetime | None]
    onset_first_at: Mapped[datetime | None]
    onset_last_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text)
    provisional: Mapped[bool] = mapped_column(default=False)
