"""Silences, escalations, receivers' health, inbound events, runbook steps, corrective actions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def _number() -> sa.Column[int]:
    return sa.Column("id", BIG, nullable=False)


def _of_incident(table: str, name: str = "incident_id") -> list[sa.schema.SchemaItem]:
    return [
        sa.Column(name, BIG, nullable=False),
        sa.ForeignKeyConstraint(
            [name],
            ["incidents.id"],
            name=op.f(f"fk_{table}_{name}_incidents"),
            ondelete="CASCADE",
        ),
    ]


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def upgrade() -> None:
    op.add_column(
        "incidents", sa.Column("reopened", sa.Integer(), nullable=False, server_default="0")
    )
    op.add_column("incidents", sa.Column("repeat_of", BIG, nullable=True))
    op.add_column("outbox", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("outbox", sa.Column("fallback_of", BIG, nullable=True))
    op.create_index(op.f("ix_outbox_event_state"), "outbox", ["event", "state"], unique=False)
    op.create_table(
        "escalations",
        *_of_incident("escalations"),
        sa.Column("policy", sa.String(length=100), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_escalations")),
    )
    _index("escalations", "state")
    op.create_table(
        "runbook_ticks",
        _number(),
        *_of_incident("runbook_ticks"),
        sa.Column("runbook", sa.String(length=100), nullable=False),
        sa.Column("step", sa.String(length=100), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runbook_ticks")),
        sa.UniqueConstraint(
            "incident_id",
            "runbook",
            "step",
            name=op.f("uq_runbook_ticks_incident_id_runbook_step"),
        ),
    )
    _index("runbook_ticks", "incident_id")
    op.create_table(
        "corrective_actions",
        _number(),
        *_of_incident("corrective_actions"),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("closed_at", TIME, nullable=True),
        sa.Column("closed_by", sa.String(length=200), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrective_actions")),
    )
    _index("corrective_actions", "incident_id")
    _index("corrective_actions", "state")
    op.create_table(
        "receivers",
        sa.Column("receiver", sa.String(length=100), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", TIME, nullable=True),
        sa.Column("down_since", TIME, nullable=True),
        sa.Column("last_delivered_at", TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.Column("counted_since", TIME, nullable=True),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("digest_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("receiver", name=op.f("pk_receivers")),
    )
    op.create_table(
        "silences",
        _number(),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("matchers", sa.JSON(), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("recurrence", sa.JSON(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("ended_by", sa.String(length=200), nullable=False),
        sa.Column("matched", sa.Integer(), nullable=False),
        sa.Column("last_matched_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    _index("silences", "ends_at")
    op.create_table(
        "inbound_events",
        _number(),
        sa.Column("provider", sa.String(length=30), nullable=False),
        sa.Column("event_id", sa.String(length=200), nullable=False),
        sa.Column("received_at", TIME, nullable=False),
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("incident_id", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_events")),
        sa.UniqueConstraint(
            "provider", "event_id", name=op.f("uq_inbound_events_provider_event_id")
        ),
    )
    _index("inbound_events", "received_at")
    _index("inbound_events", "subject")
    op.create_table(
        "external_alerts",
        _number(),
        sa.Column("source", sa.String(length=30), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        *_of_incident("external_alerts"),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("last_seen_at", TIME, nullable=False),
        sa.Column("resolved_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_external_alerts")),
        sa.UniqueConstraint(
            "source", "fingerprint", name=op.f("uq_external_alerts_source_fingerprint")
        ),
    )
    _index("external_alerts", "incident_id")


def downgrade() -> None:
    for table in (
        "external_alerts",
        "inbound_events",
        "silences",
        "receivers",
        "corrective_actions",
        "runbook_ticks",
        "escalations",
    ):
        op.drop_table(table)
    op.drop_index(op.f("ix_outbox_event_state"), table_name="outbox")
    op.drop_column("outbox", "fallback_of")
    op.drop_column("outbox", "reason")
    op.drop_column("incidents", "repeat_of")
    op.drop_column("incidents", "reopened")
