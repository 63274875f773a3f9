"""The tables. Migrations are written against this file; ``vigil db check`` compares the two.

Arrays travel as blobs of ``vigil.wire``; everything that is searched for is a column.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from monitor.store.utctime import UtcTime

BigId = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads a plain class attribute)
        datetime: UtcTime(),
        dict[str, Any]: JSON,
        list[Any]: JSON,
        bytes: LargeBinary,
    }


class BaselineRow(Base):
    """A frozen reference. ``state``: ``active`` (judges its version) or ``retired``."""

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
    """Which version serves, since when, as announced or as windows showed it."""

    __tablename__ = "releases"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    previous: Mapped[str | None] = mapped_column(String(200))
    started_at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(String(20))  # announced | observed | rollback
    actor: Mapped[str] = mapped_column(String(200), default="")
    known_good: Mapped[bool] = mapped_column(default=False)
    note: Mapped[str] = mapped_column(Text, default="")
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
    """One label, joined to its prediction; counted by arrival (``judged_by`` as for windows)."""

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
    judged_by: Mapped[int | None] = mapped_column(BigId, index=True)
    __table_args__ = (Index(None, "model", "deployment", "arrived_at"),)


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
    disposition: Mapped[str | None] = mapped_column(String(20))
    runbook: Mapped[str] = mapped_column(String(100))


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


class OutboxRow(Base):
    """One message to one receiver, written in the transaction of its cause.

    ``dedup_key`` is unique: a message is written once. ``state``: waiting, delivered, dead.
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


class RelabelItemRow(Base):
    """One image queued for a person to label."""

    __tablename__ = "relabel_items"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    action_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("actions.id", ondelete="CASCADE"), index=True
    )
    record_id: Mapped[str] = mapped_column(String(200))
    rank: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)
    score: Mapped[float]
    data: Mapped[dict[str, Any]]
    __table_args__ = (UniqueConstraint("action_id", "record_id"),)


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


class TokenRow(Base):
    """Who may do what. Only a hash of the token is kept."""

    __tablename__ = "tokens"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(20))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AuditRow(Base):
    """Every change and its actor; never changed."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    what: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class LeaseRow(Base):
    """Which service process holds a job. ``term`` grows at each change of holder."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    term: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime]


class SwitchRow(Base):
    """Fleet-wide switches that people set: ``actions_stopped`` and the like."""

    __tablename__ = "switches"
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(String(200))
    actor: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime]
