"""Images for people to label, what came back, and what was trained on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from monitor.store.tables.base import Base, BigId


class LabelTaskRow(Base):
    """One image in a label queue: the ledger that keeps a queue from getting it twice.

    ``state``: picked (not sent yet), queued, labelled, withdrawing, withdrawn, expiring,
    expired, failed.
    ``inclusion`` is the probability with which it was drawn; null where it was chosen for its
    score. ``action_id`` is null for what was picked from daily traffic. ``gold``: its label is
    known (``gold_label``), and it is there to check the labellers. ``looks``: what is kept of it:
    pixels, embedding, or nothing. ``label``: -1 is none of the classes. ``data`` holds what was
    picked (``alerts.actions``).
    """

    __tablename__ = "label_tasks"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    queue: Mapped[str] = mapped_column(String(300))
    batch: Mapped[str] = mapped_column(String(200), index=True)
    action_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("actions.id", ondelete="SET NULL"), index=True
    )
    model: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    slice: Mapped[str] = mapped_column(Text)
    record_id: Mapped[str] = mapped_column(String(200), index=True)
    rank: Mapped[int]
    priority: Mapped[float] = mapped_column(default=0.0)
    score: Mapped[float]
    reason: Mapped[str] = mapped_column(Text)
    inclusion: Mapped[float | None]
    gold: Mapped[bool] = mapped_column(default=False)
    gold_label: Mapped[int | None]
    assigned_to: Mapped[str] = mapped_column(String(200), default="")
    external_id: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), index=True)
    problem: Mapped[str] = mapped_column(Text, default="")
    picked_at: Mapped[datetime]
    queued_at: Mapped[datetime | None]
    labelled_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    label: Mapped[int | None]
    looks: Mapped[str] = mapped_column(String(10), default="")
    data: Mapped[dict[str, Any]]
    __table_args__ = (
        UniqueConstraint("batch", "record_id"),
        Index(None, "model", "deployment", "state"),
        Index(None, "queue", "external_id"),
    )


class AnnotationRow(Base):
    """What one labeller said of one image, once: several of an image show how far they agree."""

    __tablename__ = "annotations"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    task_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("label_tasks.id", ondelete="CASCADE"), index=True
    )
    external_id: Mapped[str] = mapped_column(String(200))
    author: Mapped[str] = mapped_column(String(200), default="")
    label: Mapped[int]
    lead_time_s: Mapped[float | None]
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("task_id", "external_id"),)


class LabelQueueRow(Base):
    """How a model's queue answers.

    ``asked_at``: when what came back was last read whole; ``due_at``: when it is asked again;
    ``failures`` in a row, with the last ``problem``. ``picked_on``: the last day (UTC) whose
    traffic was picked from.
    """

    __tablename__ = "label_queues"
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    deployment: Mapped[str] = mapped_column(String(200), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    asked_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    problem: Mapped[str] = mapped_column(Text, default="")
    picked_on: Mapped[str] = mapped_column(String(10), default="")


class DatasetRow(Base):
    """A frozen list of labelled records to train on. ``id`` names it with ``sha256``."""

    __tablename__ = "datasets"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    parent: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)
    items: Mapped[int]
    location: Mapped[str] = mapped_column(Text)
    about: Mapped[dict[str, Any]]
    __table_args__ = (Index(None, "model", "deployment", "created_at"),)


class RetrainingRow(Base):
    """A retraining that was asked for, and whether its version cured what it was asked for.

    ``state``: proposed, requested, failed, released, helped, did_not_help, unproven, withdrawn.
    """

    __tablename__ = "retrainings"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    incident_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("incidents.id", ondelete="SET NULL"), index=True
    )
    dataset_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("datasets.id", ondelete="SET NULL")
    )
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(20), index=True)
    hook: Mapped[str] = mapped_column(String(100), default="")
    attempts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    receipt: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    requested_at: Mapped[datetime | None]
    released_version: Mapped[str | None] = mapped_column(String(200))
    released_at: Mapped[datetime | None]
    judged_at: Mapped[datetime | None]
    judgement: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor: Mapped[str] = mapped_column(String(200), default="vigil")
    __table_args__ = (Index(None, "model", "deployment", "created_at"),)


class BoxLabelRow(Base):
    """The boxes that a person drew on a sampled record, beside those that the model drew.

    ``found``: left, top, right, bottom, score and class of each of the model's boxes, ``truth``:
    left, top, right, bottom and class of each of the person's, places in shares of the image.
    ``inclusion``: the probability with which the record came into the sample; None where it was
    kept for its looks.
    """

    __tablename__ = "box_labels"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    record_id: Mapped[str] = mapped_column(String(200), unique=True)
    model: Mapped[str] = mapped_column(String(200))
    version: Mapped[str] = mapped_column(String(200))
    deployment: Mapped[str] = mapped_column(String(200))
    cell: Mapped[dict[str, Any]]
    found: Mapped[list[Any]]
    truth: Mapped[list[Any]]
    inclusion: Mapped[float | None]
    predicted_at: Mapped[datetime]
    arrived_at: Mapped[datetime]
    author: Mapped[str] = mapped_column(String(200), default="")
    __table_args__ = (Index(None, "model", "deployment", "predicted_at"),)
