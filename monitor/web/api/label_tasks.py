"""Label queues: how they are doing, and taking tasks back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from monitor.labelling import manage, overview
from monitor.web.api.answers import Answer
from monitor.web.auth import Operator, Reader, services_of

router = APIRouter(prefix="/v1/labels", tags=["labels"])


class QueueOut(Answer):
    model: str
    deployment: str
    queue: str
    waiting: int
    states: dict[str, int]
    oldest_at: datetime | None
    asked_at: datetime | None
    failures: int
    problem: str


class BatchOut(Answer):
    batch: str
    model: str
    deployment: str
    slice: str
    incident_id: int | None
    picked_at: datetime
    waiting: int
    states: dict[str, int]


class QueuesOut(Answer):
    queues: list[QueueOut]
    batches: list[BatchOut]


class Withdrawal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    batch: Annotated[str, Field(min_length=1, max_length=200)]
    reason: Annotated[str, Field(max_length=500)] = ""


class WithdrawnOut(Answer):
    withdrawn: int


@router.get("/queues")
def show(request: Request, actor: Reader) -> QueuesOut:
    """Every queue, and the latest batches."""
    services = services_of(request)
    with services.sessions() as session:
        standings = overview.queues(session, services.settings)
        lots = overview.batches(session)
    return QueuesOut(
        queues=[
            QueueOut(
                model=one.model,
                deployment=one.deployment,
                queue=one.name or one.kind,
                waiting=one.waiting,
                states=one.counts,
                oldest_at=one.oldest_at,
                asked_at=one.asked_at,
                failures=one.failures,
                problem=one.problem,
            )
            for one in standings
        ],
        batches=[
            BatchOut(
                batch=one.batch,
                model=one.model,
                deployment=one.deployment,
                slice=one.slice,
                incident_id=one.incident_id,
                picked_at=one.picked_at,
                waiting=one.waiting,
                states=one.counts,
            )
            for one in lots
        ],
    )


@router.post("/withdraw")
def withdraw(request: Request, actor: Operator, body: Withdrawal) -> WithdrawnOut:
    """Take back what of a batch waits."""
    services = services_of(request)
    with services.sessions.begin() as session:
        count = manage.withdraw_batch(
            session, body.batch, actor=actor.name, at=services.clock.now(), reason=body.reason
        )
    return WithdrawnOut(withdrawn=count)
