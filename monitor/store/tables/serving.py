"""What serves: as windows show it, as the registry says, and what a canary or a gate made of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.tables.base import Base, BigId


class ServingSpanRow(Base):
    """One build served from ``first_at`` to ``last_at`` without a break, as its windows show."""

    __tablename__ = "serving_spans"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    preprocessing: Mapped[str] = mapped_column(String(200), default="")
    hardware: Mapped[str] = mapped_column(String(200), default="")
    schema_version: Mapped[str] = mapped_column(String(200), default="")
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    windows: Mapped[int] = mapped_column(BigInteger)
    records: Mapped[int] = mapped_column(BigInteger)
    __table_args__ = (Index(None, "model", "deployment", "last_at"),)


class RegistryReadingRow(Base):
    """What the rollback target of a model last said of the version that should serve, and where
    that, the releases and the windows differ (``monitor.serving.mismatch``)."""

    __tablename__ = "registry_readings"
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[str | None] = mapped_column(String(200))
    read_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    problem: Mapped[str] = mapped_column(Text, default="")
    mismatches: Mapped[list[Any]] = mapped_column(default=list)


class MarkRow(Base):
    """A moment or a time that is drawn over dashboards, named by ``key``.

    ``state``: waiting (something is to be sent), sent, dead. ``remote_id`` is its number at the
    dashboards; ``until`` is null for a moment, and for what still lasts.
    """

    __tablename__ = "marks"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    key: Mapped[str] = mapped_column(String(100), unique=True)
    at: Mapped[datetime]
    until: Mapped[datetime | None]
    text: Mapped[str] = mapped_column(Text)
    tags: Mapped[list[Any]]
    remote_id: Mapped[str | None] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(20), index=True)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]
    problem: Mapped[str] = mapped_column(Text, default="")


class CanaryRow(Base):
    """A new version beside the one that serves, on traffic split by hash.

    ``state``: running, accept, rollback, ended. ``blob`` holds the bets' state, ``cursor`` the last
    label that was counted; ``evidence_*`` are factors, as is the threshold ``1 / alpha``.
    """

    __tablename__ = "canaries"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    control: Mapped[str] = mapped_column(String(200))
    candidate: Mapped[str] = mapped_column(String(200))
    share: Mapped[float]
    margin: Mapped[float]
    alpha: Mapped[float]
    state: Mapped[str] = mapped_column(String(20), index=True)
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    actor: Mapped[str] = mapped_column(String(200))
    units: Mapped[int] = mapped_column(BigInteger, default=0)
    evidence_accept: Mapped[float] = mapped_column(default=1.0)
    evidence_rollback: Mapped[float] = mapped_column(default=1.0)
    cursor: Mapped[int] = mapped_column(BigId, default=0)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    blob: Mapped[bytes | None] = mapped_column(deferred=True)
    __table_args__ = (Index(None, "model", "deployment", "started_at"),)


class GateRow(Base):
    """A candidate held against the version that serves. ``outcome``: pass, fail, inconclusive."""

    __tablename__ = "gates"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    candidate: Mapped[str] = mapped_column(String(200))
    control: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    outcome: Mapped[str] = mapped_column(String(20))
    checks: Mapped[list[Any]]
    __table_args__ = (Index(None, "model", "deployment", "at"),)


class ControlRow(Base):
    """A softer action: a threshold, a flag, a share of traffic or a kill switch, set or proposed.

    ``what``: threshold, flag, share, kill. ``state`` as for actions. ``incident_id`` where one
    called for it.
    """

    __tablename__ = "controls"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    what: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(200), default="")
    before: Mapped[str] = mapped_column(Text, default="")
    after: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, default="")
    incident_id: Mapped[int | None] = mapped_column(BigId, index=True)
    plan_hash: Mapped[str] = mapped_column(String(64), unique=True)
    state: Mapped[str] = mapped_column(String(20), index=True)
    decision: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    executed_at: Mapped[datetime | None]
    actor: Mapped[str] = mapped_column(String(200))
    approved_by: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (Index(None, "model", "deployment", "created_at"),)
