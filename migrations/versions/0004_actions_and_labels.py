"""What serves and which build it is, canaries, gates, softer actions, label tasks, retraining."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "canaries",
        sa.Column("id", BIG, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("control", sa.String(length=200), nullable=False),
        sa.Column("candidate", sa.String(length=200), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("margin", sa.Double(), nullable=False),
        sa.Column("alpha", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("evidence_accept", sa.Double(), nullable=False),
        sa.Column("evidence_rollback", sa.Double(), nullable=False),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canaries")),
    )
    op.create_index(
        op.f("ix_canaries_model_deployment_started_at"),
        "canaries",
        ["model", "deployment", "started_at"],
        unique=False,
    )
    op.create_index(op.f("ix_canaries_state"), "canaries", ["state"], unique=False)
    op.create_table(
        "controls",
        sa.Column("id", BIG, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("incident_id", BIG, nullable=True),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("executed_at", TIME, nullable=True),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("approved_by", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_controls")),
        sa.UniqueConstraint("plan_hash", name=op.f("uq_controls_plan_hash")),
    )
    op.create_index(op.f("ix_controls_incident_id"), "controls", ["incident_id"], unique=False)
    op.create_index(
        op.f("ix_controls_model_deployment_created_at"),
        "controls",
        ["model", "deployment", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_controls_state"), "controls", ["state"], unique=False)
    op.create_table(
        "datasets",
        sa.Column("id", BIG, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("location", sa.Text(), nullable=False),
        sa.Column("about", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_datasets_sha256")),
    )
    op.create_index(
        op.f("ix_datasets_model_deployment_created_at"),
        "datasets",
        ["model", "deployment", "created_at"],
        unique=False,
    )
    op.create_table(
        "gates",
        sa.Column("id", BIG, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("candidate", sa.String(length=200), nullable=False),
        sa.Column("control", sa.String(length=200), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("checks", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gates")),
    )
    op.create_index(
        op.f("ix_gates_model_deployment_at"), "gates", ["model", "deployment", "at"], unique=False
    )
    op.create_table(
        "registry_readings",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=True),
        sa.Column("read_at", TIME, nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("mismatches", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "deployment", name=op.f("pk_registry_readings")),
    )
    op.create_table(
        "marks",
        sa.Column("id", BIG, nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("remote_id", sa.String(length=100), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", TIME, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marks")),
        sa.UniqueConstraint("key", name=op.f("uq_marks_key")),
    )
    op.create_index(op.f("ix_marks_state"), "marks", ["state"], unique=False)
    op.create_table(
        "serving_spans",
        sa.Column("id", BIG, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("preprocessing", sa.String(length=200), nullable=False),
        sa.Column("hardware", sa.String(length=200), nullable=False),
        sa.Column("schema_version", sa.String(length=200), nullable=False),
        sa.Column("first_at", TIME, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("windows", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_serving_spans")),
    )
    op.create_index(
        op.f("ix_serving_spans_model_deployment_last_at"),
        "serving_spans",
        ["model", "deployment", "last_at"],
        unique=False,
    )
    op.create_table(
        "retrainings",
        sa.Column("id", BIG, nullable=False),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("incident_id", BIG, nullable=True),
        sa.Column("dataset_id", BIG, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("hook", sa.String(length=100), nullable=False),
        sa.Column("attempts", sa.JSON(), nullable=False),
        sa.Column("receipt", sa.JSON(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("requested_at", TIME, nullable=True),
        sa.Column("released_version", sa.String(length=200), nullable=True),
        sa.Column("released_at", TIME, nullable=True),
        sa.Column("judged_at", TIME, nullable=True),
        sa.Column("judgement", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            name=op.f("fk_retrainings_dataset_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["incident_id"],
            ["incidents.id"],
            name=op.f("fk_retrainings_incident_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrainings")),
    )
    op.create_index(
        op.f("ix_retrainings_incident_id"), "retrainings", ["incident_id"], unique=False
    )
    op.create_index(
        op.f("ix_retrainings_model_deployment_created_at"),
        "retrainings",
        ["model", "deployment", "created_at"],
        unique=False,
    )
    op.create_index(op.f("ix_retrainings_state"), "retrainings", ["state"], unique=False)
    op.create_table(
        "label_tasks",
        sa.Column("id", BIG, nullable=False),
        sa.Column("queue", sa.String(length=300), nullable=False),
        sa.Column("batch", sa.String(length=200), nullable=False),
        sa.Column("action_id", BIG, nullable=True),
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("slice", sa.Text(), nullable=False),
        sa.Column("record_id", sa.String(length=200), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("priority", sa.Double(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("inclusion", sa.Double(), nullable=True),
        sa.Column("gold", sa.Boolean(), nullable=False),
        sa.Column("gold_label", sa.Integer(), nullable=True),
        sa.Column("assigned_to", sa.String(length=200), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("picked_at", TIME, nullable=False),
        sa.Column("queued_at", TIME, nullable=True),
        sa.Column("labelled_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("label", sa.Integer(), nullable=True),
        sa.Column("looks", sa.String(length=10), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["actions.id"],
            name=op.f("fk_label_tasks_action_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_tasks")),
        sa.UniqueConstraint("batch", "record_id", name=op.f("uq_label_tasks_batch_record_id")),
    )
    op.create_index(op.f("ix_label_tasks_action_id"), "label_tasks", ["action_id"], unique=False)
    op.create_index(op.f("ix_label_tasks_batch"), "label_tasks", ["batch"], unique=False)
    op.create_index(
        op.f("ix_label_tasks_model_deployment_state"),
        "label_tasks",
        ["model", "deployment", "state"],
        unique=False,
    )
    op.create_index(
        op.f("ix_label_tasks_queue_external_id"),
        "label_tasks",
        ["queue", "external_id"],
        unique=False,
    )
    op.create_index(op.f("ix_label_tasks_record_id"), "label_tasks", ["record_id"], unique=False)
    op.create_index(op.f("ix_label_tasks_state"), "label_tasks", ["state"], unique=False)
    op.create_table(
        "annotations",
        sa.Column("id", BIG, nullable=False),
        sa.Column("task_id", BIG, nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=False),
        sa.Column("author", sa.String(length=200), nullable=False),
        sa.Column("label", sa.Integer(), nullable=False),
        sa.Column("lead_time_s", sa.Double(), nullable=True),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["label_tasks.id"], name=op.f("fk_annotations_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotations")),
        sa.UniqueConstraint(
            "task_id", "external_id", name=op.f("uq_annotations_task_id_external_id")
        ),
    )
    op.create_index(op.f("ix_annotations_task_id"), "annotations", ["task_id"], unique=False)
    op.create_table(
        "label_queues",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("deployment", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("asked_at", TIME, nullable=True),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("picked_on", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("model", "deployment", name=op.f("pk_label_queues")),
    )
    _move_relabel_items()
    op.drop_table("relabel_items")
    op.add_column(
        "labels", sa.Column("chosen", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("releases", sa.Column("share", sa.Double(), nullable=False, server_default="1"))
    op.add_column(
        "releases",
        sa.Column("preprocessing", sa.String(length=200), nullable=False, server_default=""),
    )
    op.add_column(
        "releases", sa.Column("hardware", sa.String(length=200), nullable=False, server_default="")
    )
    op.add_column(
        "releases",
        sa.Column("schema_version", sa.String(length=200), nullable=False, server_default=""),
    )
    op.add_column(
        "windows",
        sa.Column("preprocessing", sa.String(length=200), nullable=False, server_default=""),
    )
    op.add_column(
        "windows", sa.Column("hardware", sa.String(length=200), nullable=False, server_default="")
    )
    op.add_column(
        "windows",
        sa.Column("schema_version", sa.String(length=200), nullable=False, server_default=""),
    )


def _move_relabel_items() -> None:
    """Images that were queued before are tasks now: their labels may still come back."""
    connection = op.get_bind()
    items = connection.execute(
        sa.text(
            "SELECT i.action_id, i.record_id, i.rank, i.reason, i.score, i.data, a.incident_id, "
            "a.created_at, a.result, n.model, n.model_version, n.deployment, n.slice "
            "FROM relabel_items i JOIN actions a ON a.id = i.action_id "
            "JOIN incidents n ON n.id = a.incident_id ORDER BY i.id"
        ).columns(data=sa.JSON, result=sa.JSON, created_at=TIME)
    ).mappings()
    columns = "queue batch action_id model version deployment slice record_id rank priority score "
    columns += "reason inclusion gold assigned_to external_id state problem looks"
    tasks = sa.table(
        "label_tasks",
        *(sa.column(name) for name in columns.split()),
        sa.column("picked_at", TIME),
        sa.column("queued_at", TIME),
        sa.column("data", sa.JSON),
    )
    rows = []
    for item in items:
        batch = f"incident-{item['incident_id']}-action-{item['action_id']}"
        folder = str((item["result"] or {}).get("location", "")).rpartition("/")[0]
        data = item["data"] or {}
        rows.append(
            {
                "queue": f"files {folder}"[:300],
                "batch": batch,
                "action_id": item["action_id"],
                "model": item["model"],
                "version": data.get("version") or item["model_version"] or "",
                "deployment": item["deployment"],
                "slice": item["slice"],
                "record_id": item["record_id"],
                "rank": item["rank"],
                "priority": 0.5,
                "score": item["score"],
                "reason": item["reason"],
                "inclusion": data.get("inclusion"),
                "gold": False,
                "assigned_to": "",
                "external_id": f"{batch}/{item['rank']:04d}",
                "state": "queued",
                "problem": "",
                "looks": "",
                "picked_at": item["created_at"],
                "queued_at": item["created_at"],
                "data": data,
            }
        )
    for first in range(0, len(rows), 500):
        op.bulk_insert(tasks, rows[first : first + 500])


def downgrade() -> None:
    op.drop_column("labels", "chosen")
    op.drop_column("windows", "schema_version")
    op.drop_column("windows", "hardware")
    op.drop_column("windows", "preprocessing")
    op.drop_column("releases", "schema_version")
    op.drop_column("releases", "hardware")
    op.drop_column("releases", "preprocessing")
    op.drop_column("releases", "share")
    op.create_table(
        "relabel_items",
        sa.Column("id", BIG, nullable=False),
        sa.Column("action_id", BIG, nullable=False),
        sa.Column("record_id", sa.String(length=200), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["action_id"],
            ["actions.id"],
            name=op.f("fk_relabel_items_action_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relabel_items")),
        sa.UniqueConstraint(
            "action_id", "record_id", name=op.f("uq_relabel_items_action_id_record_id")
        ),
    )
    op.create_index(
        op.f("ix_relabel_items_action_id"), "relabel_items", ["action_id"], unique=False
    )
    op.drop_table("label_queues")
    op.drop_index(op.f("ix_annotations_task_id"), table_name="annotations")
    op.drop_table("annotations")
    op.drop_index(op.f("ix_label_tasks_state"), table_name="label_tasks")
    op.drop_index(op.f("ix_label_tasks_record_id"), table_name="label_tasks")
    op.drop_index(op.f("ix_label_tasks_queue_external_id"), table_name="label_tasks")
    op.drop_index(op.f("ix_label_tasks_model_deployment_state"), table_name="label_tasks")
    op.drop_index(op.f("ix_label_tasks_batch"), table_name="label_tasks")
    op.drop_index(op.f("ix_label_tasks_action_id"), table_name="label_tasks")
    op.drop_table("label_tasks")
    op.drop_index(op.f("ix_retrainings_state"), table_name="retrainings")
    op.drop_index(op.f("ix_retrainings_model_deployment_created_at"), table_name="retrainings")
    op.drop_index(op.f("ix_retrainings_incident_id"), table_name="retrainings")
    op.drop_table("retrainings")
    op.drop_index(op.f("ix_serving_spans_model_deployment_last_at"), table_name="serving_spans")
    op.drop_table("serving_spans")
    op.drop_index(op.f("ix_marks_state"), table_name="marks")
    op.drop_table("marks")
    op.drop_table("registry_readings")
    op.drop_index(op.f("ix_gates_model_deployment_at"), table_name="gates")
    op.drop_table("gates")
    op.drop_index(op.f("ix_datasets_model_deployment_created_at"), table_name="datasets")
    op.drop_table("datasets")
    op.drop_index(op.f("ix_controls_state"), table_name="controls")
    op.drop_index(op.f("ix_controls_model_deployment_created_at"), table_name="controls")
    op.drop_index(op.f("ix_controls_incident_id"), table_name="controls")
    op.drop_table("controls")
    op.drop_index(op.f("ix_canaries_state"), table_name="canaries")
    op.drop_index(op.f("ix_canaries_model_deployment_started_at"), table_name="canaries")
    op.drop_table("canaries")
