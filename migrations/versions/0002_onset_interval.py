"""Onsets get an interval; what can be found is kept for each model."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("incidents", "verdicts"):
        for name in ("onset_first_at", "onset_last_at"):
            op.add_column(table, sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "coverage",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("needed", sa.Integer(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "deployment", name=op.f("pk_coverage")),
    )


def downgrade() -> None:
    op.drop_table("coverage")
    for table in ("incidents", "verdicts"):
        for name in ("onset_last_at", "onset_first_at"):
            op.drop_column(table, name)
