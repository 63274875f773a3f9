"""What went wrong, and what was done about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.tables.base import Base, BigId


class IncidentRow(Base):
    """Alerts that belong together. ``version`` counts transitions (optimistic locking).

    ``state``: open, acknowledged, mitigating, monitoring, resolved. ``findings`` holds what a page
    shows (see ``alerts.types.Finding``), ``disposition``: true_alarm, false_alarm, expected or
    null.
    """

    __tablename__ = "incidents"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    group_key: Mapped[str] = mapped_column(String(400), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64), index=True)
    kind: Mapped[str] = mapped_column(String(50))
    cause: Mapped[str] = mapped_column(String(30))
    severity: Mapped[str] = mapped_column(String(20))
    model: Mapped[str] = mapped_column(String(200))
    model_version: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    slice: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), index=True)
    version: Mapped[int] = mapped_column(default=1)
    onset_at: Mapped[datetime | None]
    onset_first_at: Mapped[datetime | None]
    onset_last_at: Mapped[datetime | None]
    detected_at: Mapped[datetime]
    paged_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    mitigated_at: Mapped[datetime | None]
    recovered_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    last_firing_at: Mapped[datetime]
    findings: Mapped[list[Any]]
    reasons: Mapped[list[Any]]
    labels: Mapped[dict[str, Any]]
    reopened: Mapped[int] = mapped_column(default=0)
    repeat_of: Mapped[int | None] = mapped_column(BigId)  # the latest earlier one like it
    disposition: Mapped[str | None] = mapped_column(String(20))
    runbook: Mapped[str] = mapped_column(String(100))


class ExternalAlertRow(Base):
    """An alert of another system, by its own fingerprint, and the incident that it is part of.

    It fires until ``resolved_at``; when it fires again ``starts_at`` is later.
    """

    __tablename__ = "external_alerts"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    source: Mapped[str] = mapped_column(String(30))
    fingerprint: Mapped[str] = mapped_column(String(64))
    incident_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), index=True
    )
    labels: Mapped[dict[str, Any]]
    text: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    resolved_at: Mapped[datetime | None]
    __table_args__ = (UniqueConstraint("source", "fingerprint"),)


class TimelineRow(Base):
    """What happened to an incident, in order; never changed."""

    __tablename__ = "timeline"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class ActionRow(Base):
    """Something done, or refused, about an incident.

    ``kind``: rollback, relabel. ``state``: proposed, waiting, refused, executing, verifying,
    recovered, unproven, failed, done. ``plan`` and ``plan_hash`` are what an
    approval binds to; ``decision`` holds the guard's reasons, ``result`` what came of it.
    """

    __tablename__ = "actions"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), index=True
    )
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), index=True)
    plan: Mapped[dict[str, Any]]
    plan_hash: Mapped[str] = mapped_column(String(64))
    decision: Mapped[dict[str, Any]] = mapped_column(default=dict)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    executed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    approved_by: Mapped[str | None] = mapped_column(String(200))
    __table_args__ = (UniqueConstraint("incident_id", "kind", "plan_hash"),)


class EscalationRow(Base):
    """How far an incident has been escalated. ``due_at``: the next step; null when there is none.

    ``state``: waiting, stopped (acknowledged or resolved), exhausted. ``step`` counts the steps
    that were taken.
    """

    __tablename__ = "escalations"
    incident_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True
    )
    policy: Mapped[str] = mapped_column(String(100))
    step: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(20), index=True)
    due_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(Text, default="")


class RunbookTickRow(Base):
    """A step of a runbook that someone has done for an incident."""

    __tablename__ = "runbook_ticks"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), index=True
    )
    runbook: Mapped[str] = mapped_column(String(100))
    step: Mapped[str] = mapped_column(String(100))
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    __table_args__ = (UniqueConstraint("incident_id", "runbook", "step"),)


class CorrectiveActionRow(Base):
    """What is to be done so that an incident does not come back. ``state``: open, done, dropped."""

    __tablename__ = "corrective_actions"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    incident_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="CASCADE"), index=True
    )
    text: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(String(200), default="")
    due_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(String(20), index=True)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(Text, default="")
