"""The label queues as people see them: how they are doing, their batches, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor.labelling import ledger
from monitor.settings.schema import Settings
from monitor.store.tables import ActionRow, LabelQueueRow, LabelTaskRow

MOST_BATCHES = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueStanding:
    """One model's queue. ``counts`` of its tasks by state; ``oldest_at``: of those that wait."""

    model: str
    deployment: str
    kind: str
    name: str
    counts: dict[str, int]
    oldest_at: datetime | None
    asked_at: datetime | None
    failures: int
    problem: str

    @property
    def waiting(self) -> int:
        return sum(self.counts.get(state, 0) for state in ledger.OPEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchStanding:
    """One batch; ``incident_id`` is None where it was picked from daily traffic."""

    batch: str
    model: str
    deployment: str
    slice: str
    incident_id: int | None
    priority: float
    picked_at: datetime
    counts: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def waiting(self) -> int:
        return sum(self.counts.get(state, 0) for state in ledger.OPEN)


def queues(session: Session, settings: Settings) -> list[QueueStanding]:
    """Of every model that has a queue, or tasks of one that it had."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    oldest: dict[tuple[str, str], datetime] = {}
    for model, deployment, state, count, first in session.execute(
        select(
            LabelTaskRow.model,
            LabelTaskRow.deployment,
            LabelTaskRow.state,
            func.count(),
            func.min(LabelTaskRow.picked_at),
        ).group_by(LabelTaskRow.model, LabelTaskRow.deployment, LabelTaskRow.state)
    ):
        family = (model, deployment)
        counts.setdefault(family, {})[state] = count
        if state in ledger.OPEN:
            oldest[family] = min(first, oldest.get(family, first))
    states = {(row.model, row.deployment): row for row in session.scalars(select(LabelQueueRow))}
    kinds = {
        (watched.name, watched.deployment): watched.relabel.waits_in.kind
        for watched in settings.models
        if watched.relabel.waits_in is not None
    }
    found = []
    for family in sorted(kinds.keys() | counts.keys()):
        row = states.get(family)
        found.append(
            QueueStanding(
                model=family[0],
                deployment=family[1],
                kind=kinds.get(family, ""),
                name=row.name if row else "",
                counts=counts.get(family, {}),
                oldest_at=oldest.get(family),
                asked_at=row.asked_at if row else None,
                failures=row.failures if row else 0,
                problem=row.problem if row else "",
            )
        )
    return found


def batches(session: Session, *, model: str | None = None) -> list[BatchStanding]:
    """The latest, newest first."""
    query = (
        select(
            LabelTaskRow.batch,
            LabelTaskRow.model,
            LabelTaskRow.deployment,
            LabelTaskRow.slice,
            LabelTaskRow.priority,
            ActionRow.incident_id,
            func.min(LabelTaskRow.picked_at),
        )
        .outerjoin(ActionRow, ActionRow.id == LabelTaskRow.action_id)
        .group_by(
            LabelTaskRow.batch,
            LabelTaskRow.model,
            LabelTaskRow.deployment,
            LabelTaskRow.slice,
            LabelTaskRow.priority,
            ActionRow.incident_id,
        )
        .order_by(func.min(LabelTaskRow.picked_at).desc(), LabelTaskRow.batch)
        .limit(MOST_BATCHES)
    )
    if model is not None:
        query = query.where(LabelTaskRow.model == model)
    heads = session.execute(query).all()
    counts: dict[str, dict[str, int]] = {}
    for batch, state, count in session.execute(
        select(LabelTaskRow.batch, LabelTaskRow.state, func.count())
        .where(LabelTaskRow.batch.in_([head[0] for head in heads]))
        .group_by(LabelTaskRow.batch, LabelTaskRow.state)
    ):
        counts.setdefault(batch, {})[state] = count
    return [
        BatchStanding(
            batch=batch,
            model=name,
            deployment=deployment,
            slice=slice,
            incident_id=incident_id,
            priority=priority,
            picked_at=picked_at,
            counts=counts.get(batch, {}),
        )
        for batch, name, deployment, slice, priority, incident_id, picked_at in heads
    ]


def next_ones(session: Session, *, limit: int, batch: str | None = None) -> list[LabelTaskRow]:
    """What people should label next: by priority, then as they were ranked."""
    query = select(LabelTaskRow).where(LabelTaskRow.state.in_(ledger.OPEN))
    if batch is not None:
        query = query.where(LabelTaskRow.batch == batch)
    query = query.order_by(
        LabelTaskRow.priority.desc(), LabelTaskRow.picked_at.desc(), LabelTaskRow.rank
    )
    return list(session.scalars(query.limit(limit)))
