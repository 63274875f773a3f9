"""Baselines: listed, and taken in as bytes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from monitor.services import Services
from monitor.store import audit, baselines
from monitor.web.api.answers import BaselineOut
from monitor.web.auth import Operator, Reader, services_of
from vigil.windows.baseline import Baseline

router = APIRouter(prefix="/v1/baselines", tags=["baselines"])


@router.get("")
def list_baselines(
    request: Request, actor: Reader, model: str | None = None, version: str | None = None
) -> list[BaselineOut]:
    """What is kept, newest first, without the content."""
    with services_of(request).sessions() as session:
        found = baselines.rows(session, model, version=version)
        return [BaselineOut.model_validate(row) for row in found]


@router.post(
    "",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}, "required": True}},
    responses={400: {"description": "The bytes are not a baseline."}},
)
async def add_baseline(request: Request, actor: Operator, activate: bool = True) -> BaselineOut:
    """Keep a baseline (``Baseline.to_bytes``) and let it judge its version."""
    blob = await request.body()
    return await run_in_threadpool(_add, services_of(request), blob, activate, actor.name)


def _add(services: Services, blob: bytes, activate: bool, actor: str) -> BaselineOut:
    baseline = Baseline.from_bytes(blob)
    with services.sessions.begin() as session:
        row = baselines.add(session, baseline, activate=activate)
        audit.record(
            session,
            what="baseline added",
            subject=f"{row.model}@{row.version}",
            actor=actor,
            at=services.clock.now(),
            sha256=row.sha256,
            active=row.state == baselines.ACTIVE,
        )
        return BaselineOut.model_validate(row)
