"""Retrainings and their datasets; the quality of a model and its labels."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.labelling.quality import quality_of
from monitor.labelling.quality_json import plain as as_plain
from monitor.retraining import first_baseline, orders
from monitor.retraining.datasets import labels_of
from monitor.retraining.shown import plain, shown
from monitor.settings.fields import Name
from monitor.web.access import MAX_ROW, RowId
from monitor.web.api.answers import Answer
from monitor.web.api.texts import Note, Version
from monitor.web.auth import Operator, Reader, services_of

router = APIRouter(prefix="/v1", tags=["retraining"])

Days = Annotated[float, Query(gt=0, le=3660)]


class NewRetraining(BaseModel):
    model_config = ConfigDict(extra="forbid")
    model: Name
    deployment: Name = "production"
    reason: Annotated[Note, Field(min_length=1)]
    incident: Annotated[int | None, Field(ge=1, le=MAX_ROW)] = None


class Withdrawal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: Annotated[Note, Field(min_length=1)]


class Made(BaseModel):
    """The version that the training made."""

    model_config = ConfigDict(extra="forbid")
    version: Version


class RetrainingOut(Answer):
    number: int
    name: str
    state: str
    model: str
    deployment: str
    incident: int | None
    reason: str
    trigger: str
    proposed_by: str
    proposed_at: datetime
    allowed_by: str | None
    hook: str
    requested_at: datetime | None
    receipt: dict[str, Any]
    version: str | None
    baseline: bool | None
    first_baseline: dict[str, Any]
    released_at: datetime | None
    judged_at: datetime | None
    judgement: dict[str, Any]
    dataset: dict[str, Any]


@router.get("/retrainings")
def list_retrainings(
    request: Request,
    actor: Reader,
    model: str | None = None,
    deployment: str | None = None,
    state: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[RetrainingOut]:
    """Retrainings, newest first."""
    with services_of(request).sessions() as session:
        found = orders.listed(session, model=model, deployment=deployment, state=state, limit=limit)
        return [RetrainingOut(**plain(session, row)) for row in found]


@router.post("/retrainings", responses={404: {}, 409: {}}, status_code=201)
def propose(request: Request, actor: Operator, body: NewRetraining) -> RetrainingOut:
    """Freeze the labels as a dataset, and propose to train on it."""
    services = services_of(request)
    number = orders.propose(
        services.sessions,
        services.settings,
        services.samples,
        model=body.model,
        deployment=body.deployment,
        reason=body.reason,
        incident_id=body.incident,
        actor=actor.name,
        at=services.clock.now(),
    )
    return _shown(request, number)


@router.get("/retrainings/{number}", responses={404: {}})
def show(request: Request, actor: Reader, number: RowId) -> RetrainingOut:
    """One retraining, with what came of it."""
    return _shown(request, number)


@router.post("/retrainings/{number}/request", responses={404: {}, 409: {}})
def allow(request: Request, actor: Operator, number: RowId) -> RetrainingOut:
    """Allow a proposal: the hook is asked next; without one, people train."""
    services = services_of(request)
    with services.sessions.begin() as session:
        orders.request(session, number, actor=actor.name, at=services.clock.now())
    return _shown(request, number)


@router.post("/retrainings/{number}/version", responses={404: {}, 409: {}})
def made(request: Request, actor: Operator, number: RowId, body: Made) -> RetrainingOut:
    """The training made this version; once released, it is judged. Saying it again is harmless."""
    services = services_of(request)
    with services.sessions.begin() as session:
        orders.name_version(
            session, number, version=body.version, actor=actor.name, at=services.clock.now()
        )
    return _shown(request, number)


@router.post("/retrainings/{number}/baseline/accept", responses={404: {}, 409: {}})
def accept_baseline(request: Request, actor: Operator, number: RowId) -> RetrainingOut:
    """The provisional baseline of its version was looked at: it judges from now on."""
    services = services_of(request)
    with services.sessions.begin() as session:
        first_baseline.accept(session, number, actor=actor.name, at=services.clock.now())
    return _shown(request, number)


@router.post("/retrainings/{number}/withdraw", responses={404: {}, 409: {}})
def withdraw(request: Request, actor: Operator, number: RowId, body: Withdrawal) -> RetrainingOut:
    """It is not wanted any more; what a hook has begun is not stopped."""
    services = services_of(request)
    with services.sessions.begin() as session:
        orders.withdraw(
            session, number, reason=body.reason, actor=actor.name, at=services.clock.now()
        )
    return _shown(request, number)


@router.get("/datasets/{sha256}/labels.jsonl", responses={404: {}})
def dataset(
    request: Request, actor: Reader, sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
) -> Response:
    """A dataset, a JSON line a record: what the training reads."""
    services = services_of(request)
    with services.sessions() as session:
        raw = labels_of(session, services.settings, services.samples, sha256)
    return Response(raw, media_type="application/jsonl")


@router.get("/quality/{model:path}/{deployment}")
def quality(
    request: Request, actor: Reader, model: str, deployment: str, days: Days = 30.0
) -> dict[str, Any]:
    """How good a model and its labels are, as the labels of so many days know."""
    services = services_of(request)
    now = services.clock.now()
    with services.sessions() as session:
        found = quality_of(
            session,
            services.settings,
            model,
            deployment,
            since=now - timedelta(days=days),
            now=now,
        )
    answer: dict[str, Any] = as_plain(found)
    return answer


def _shown(request: Request, number: int) -> RetrainingOut:
    with services_of(request).sessions() as session:
        return RetrainingOut(**shown(session, number))
