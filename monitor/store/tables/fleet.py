"""What was measured: baselines, releases, windows, labels, sources."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.tables.base import Base, BigId


class BaselineRow(Base):
    """A frozen reference. ``state``: ``active`` (judges its version), ``retired``, or
    ``provisional`` (waits for a person to accept it)."""

    __tablename__ = "baselines"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    ruler: Mapped[str] = mapped_column(String(64), index=True)
    dataset: Mapped[str] = mapped_column(Text)
    records: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(200), default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(20), default="active")
    blob: Mapped[bytes] = mapped_column(deferred=True)
    __table_args__ = (Index(None, "model", "version", "state"),)


class ReleaseRow(Base):
    """Which version serves, since when, as announced, as windows or the registry showed it.

    ``share`` of the traffic. ``preprocessing``, ``hardware`` and ``schema_version`` are empty where
    nobody said.
    """

    __tablename__ = "releases"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    previous: Mapped[str | None] = mapped_column(String(200))
    started_at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(20))  # announced | observed | rollback | registry
    actor: Mapped[str] = mapped_column(String(200), default="")
    known_good: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
    share: Mapped[float] = mapped_column(default=1.0)
    preprocessing: Mapped[str] = mapped_column(String(200), default="")
    hardware: Mapped[str] = mapped_column(String(200), default="")
    schema_version: Mapped[str] = mapped_column(String(200), default="")
    __table_args__ = (Index(None, "model", "deployment", "started_at"),)


class WindowRow(Base):
    """One ingested window. ``judged_by`` is the tick that counted it (null: not yet)."""

    __tablename__ = "windows"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source: Mapped[str] = mapped_column(String(200))
    boot: Mapped[str] = mapped_column(String(64))
    sequence: Mapped[int] = mapped_column(BigInteger)
    model: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    start_at: Mapped[datetime]
    end_at: Mapped[datetime] = mapped_column(index=True)
    received_at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(20))  # live | backfill
    ruler: Mapped[str] = mapped_column(String(64))
    verified: Mapped[bool]  # measured with the ruler of an active baseline
    records: Mapped[int] = mapped_column(BigInteger)
    dropped: Mapped[int] = mapped_column(BigInteger, default=0)
    counter_low: Mapped[int] = mapped_column(BigInteger, default=0)
    counter_high: Mapped[int] = mapped_column(BigInteger, default=0)
    sample_part: Mapped[str | None] = mapped_column(Text)
    judged_by: Mapped[int | None] = mapped_column(BigId, index=True)
    preprocessing: Mapped[str] = mapped_column(String(200), default="")
    hardware: Mapped[str] = mapped_column(String(200), default="")
    schema_version: Mapped[str] = mapped_column(String(200), default="")
    blob: Mapped[bytes | None] = mapped_column(deferred=True)  # summary; see store.windows
    ledger: Mapped[bytes | None] = mapped_column(deferred=True)
    __table_args__ = (
        UniqueConstraint("source", "boot", "sequence"),
        Index(None, "model", "deployment", "end_at"),
    )


class LedgerIdRow(Base):
    """Where to find a prediction whose id the caller chose."""

    __tablename__ = "ledger_ids"
    record_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    window_id: Mapped[int] = mapped_column(BigId, ForeignKey("windows.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)


class LabelRow(Base):
    """One label, joined to its prediction; counted by arrival (``judged_by`` as for windows).

    ``chosen``: its image was picked for what it showed, so it says nothing of the traffic: it is
    for training, and no track or estimate of accuracy counts it.
    """

    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    record_id: Mapped[str] = mapped_column(String(200), unique=True)
    model: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    cell: Mapped[dict[str, Any]]  # key -> value
    prediction: Mapped[int] = mapped_column(Integer)
    confidence: Mapped[float]
    label: Mapped[int] = mapped_column(Integer)
    predicted_at: Mapped[datetime]
    arrived_at: Mapped[datetime] = mapped_column(index=True)
    author: Mapped[str] = mapped_column(String(200), default="")
    chosen: Mapped[bool] = mapped_column(default=False)
    judged_by: Mapped[int | None] = mapped_column(BigId, index=True)
    __table_args__ = (Index(None, "model", "deployment", "arrived_at"),)


class SourceRow(Base):
    """A source that ships windows: who is alive, and who has gone silent."""

    __tablename__ = "sources"
    source: Mapped[str] = mapped_column(String(200), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[str] = mapped_column(String(200))
    boot: Mapped[str] = mapped_column(String(64))
    first_seen_at: Mapped[datetime]
    last_window_at: Mapped[datetime]
    last_record_at: Mapped[datetime | None]
    retired: Mapped[bool] = mapped_column(default=False)


class RejectionRow(Base):
    """What came in and was refused, counted by reason and hour."""

    __tablename__ = "rejections"
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(String(200), primary_key=True)
    what: Mapped[str] = mapped_column(String(20), primary_key=True)  # window | label
    reason: Mapped[str] = mapped_column(String(60), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    example: Mapped[str] = mapped_column(Text, default="")
