"""The ledger of label tasks: written before a queue hears of them, so that none gets one twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.queues.boxes import Box
from alerts.actions.queues.protocol import LabelTask, TaskRef
from alerts.actions.relabel import Picked
from monitor.labelling.pictures import Pictures
from monitor.settings.labelling import Relabel
from monitor.store.tables import LabelTaskRow
from vigil.types import Slice

PICKED, QUEUED, LABELLED = "picked", "queued", "labelled"
WITHDRAWING, WITHDRAWN = "withdrawing", "withdrawn"
EXPIRING, EXPIRED, FAILED = "expiring", "expired", "failed"
OPEN = (PICKED, QUEUED)
PERHAPS_THERE = ""
"""A task's name in its queue, as long as nobody knows whether the queue took it."""


def write(
    session: Session,
    picks: Sequence[Picked],
    *,
    queue: str,
    batch: str,
    model: str,
    deployment: str,
    slice: str,
    action_id: int | None,
    at: datetime,
    looks: str,
    rules: Relabel,
    priority: float = 0.5,
) -> list[LabelTaskRow]:
    """Write down what was picked.

    ``priority`` of the batch, in [0, 1]; 0.5 is usual. ``rules`` say for whom. ``looks`` is what
    ``Pictures.kind`` says.
    """
    rows = [
        LabelTaskRow(
            queue=queue,
            batch=batch,
            action_id=action_id,
            model=model,
            version=item.version,
            deployment=deployment,
            slice=slice,
            record_id=item.record_id,
            rank=item.rank,
            priority=priority,
            score=item.score,
            reason=item.reason,
            inclusion=item.inclusion,
            gold=item.gold_label is not None,
            gold_label=item.gold_label,
            assigned_to=assigned(rules, item.metadata),
            state=PICKED,
            picked_at=at,
            looks=looks,
            data=item.to_json(),
        )
        for item in picks
    ]
    session.add_all(rows)
    session.flush()
    return rows


def task_id(installation: str, row_id: int) -> str:
    """Our name of a task, the same in no other installation."""
    return f"{installation}-{row_id}"


def row_id(installation: str, task: str) -> int | None:
    """The row that a name means; None: not ours."""
    before, _, number = task.rpartition("-")
    if before != installation or not (number.isascii() and number.isdigit()):
        return None
    return int(number) if len(number) < 19 else None


def as_task(row: LabelTaskRow, installation: str, pictures: Pictures | None) -> LabelTask:
    """What a queue is given."""
    data: Mapping[str, Any] = row.data
    image = pictures.png(row.record_id) if pictures is not None else None
    return LabelTask(
        id=task_id(installation, row.id),
        batch=row.batch,
        record_id=row.record_id,
        rank=row.rank,
        priority=row.priority,
        reason=row.reason,
        version=row.version,
        slice=row.slice,
        prediction=int(data.get("prediction", -1)),
        top=tuple((int(one), float(p)) for one, p in data.get("top", ())),
        metadata={str(key): str(value) for key, value in data.get("metadata", {}).items()},
        uri=str(data.get("uri", "")),
        assigned_to=row.assigned_to,
        image=image,
        boxes=tuple(
            Box(sides=(box[0], box[1], box[2], box[3]), score=box[4], label=int(box[5]))
            for box in data.get("boxes", ())
        ),
    )


def as_ref(row: LabelTaskRow, installation: str) -> TaskRef:
    """How a queue is asked about it."""
    return TaskRef(
        id=task_id(installation, row.id),
        external_id=row.external_id or "",
        batch=row.batch,
        record_id=row.record_id,
    )


def of_action(session: Session, action_id: int) -> list[LabelTaskRow]:
    """The tasks of an action, best first."""
    rows = select(LabelTaskRow).where(LabelTaskRow.action_id == action_id)
    return list(session.scalars(rows.order_by(LabelTaskRow.rank)))


def assigned(rules: Relabel, metadata: dict[str, str]) -> str:
    """Who labels a record; nobody in particular where no rule fits."""
    for rule in rules.assign:
        if all(metadata.get(key) == value for key, value in Slice.parse(rule.slice).pairs):
            return rule.to
    return ""
