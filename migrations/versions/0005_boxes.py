"""Boxes that people drew, beside those that the model drew on the same sampled record."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "box_labels",
        sa.Column("id", BIG, nullable=False),
        sa.Column("record_id", sa.String(length=200), nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("cell", sa.JSON(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("truth", sa.JSON(), nullable=False),
        sa.Column("inclusion", sa.Double(), nullable=True),
        sa.Column("predicted_at", TIME, nullable=False),
        sa.Column("arrived_at", TIME, nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_box_labels")),
        sa.UniqueConstraint("record_id", name=op.f("uq_box_labels_record_id")),
    )
    op.create_index(
        op.f("ix_box_labels_model_deployment_predicted_at"),
        "box_labels",
        ["model", "deployment", "predicted_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_box_labels_model_deployment_predicted_at"), table_name="box_labels")
    op.drop_table("box_labels")
