"""What deployers ask: Argo's web metric reads a verdict, Flagger's webhooks read a status.

A candidate that nobody knows is *inconclusive*, with 200: Argo takes another status for an error,
and too many of those for a failure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from monitor.canary.hooks import Hook, answer
from monitor.canary.verdict import Verdict, decide, evidence_of
from monitor.response.silences import freeze_of
from monitor.store import tokens
from monitor.web.access import Permission, Scope
from monitor.web.auth import Reader, actor_of, services_of

router = APIRouter(prefix="/v1", tags=["verdicts"])


class VerdictOut(BaseModel):
    """``result``: pass, fail or inconclusive; ``value``: 1, -1 or 0. ``rollback`` and ``accept``
    are factors of evidence; the canary's ``1 / alpha`` decides."""

    result: str
    value: int
    reasons: list[str]
    candidate: str
    canary: str | None
    units: int
    difference: float
    rollback: float
    accept: float
    incident: int | None
    gate: str | None
    at: datetime | None


class HookBody(BaseModel):
    """What Flagger posts; ``metadata`` is the map of the webhook's definition."""

    model_config = ConfigDict(extra="ignore")
    name: str = ""
    namespace: str = ""
    phase: str = ""
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]


class HookOut(BaseModel):
    text: str
    result: str


@router.get("/verdict/{model}/{deployment}")
def verdict(
    request: Request, actor: Reader, model: str, deployment: str, candidate: str = ""
) -> VerdictOut:
    """Whether a candidate may go on; without one, that of the latest canary."""
    with services_of(request).sessions() as session:
        found = decide(evidence_of(session, model, deployment, candidate))
    return _out(found)


@router.post("/hooks/flagger/{hook}/{model}/{deployment}", responses={404: {}, 412: {}})
def flagger(
    request: Request,
    response: Response,
    hook: str,
    model: str,
    deployment: str,
    body: HookBody,
    candidate: str = "",
) -> HookOut:
    """Answer one of Flagger's webhooks. Its token may stand in the metadata as ``token``, since
    Flagger sends no header of ours; the candidate as ``candidate``."""
    _may_read(request, str(body.metadata.get("token", "")))
    if hook not in set(Hook):
        raise HTTPException(404, f"hook: expected one of {', '.join(Hook)}, found {hook[:40]!r}")
    services = services_of(request)
    wanted = candidate or str(body.metadata.get("candidate", ""))
    watched = services.settings.model(model, deployment)
    with services.sessions() as session:
        found = decide(evidence_of(session, model, deployment, wanted))
        frozen_by = freeze_of(
            session,
            model=model,
            deployment=deployment,
            owner=watched.owner if watched else "",
            at=services.clock.now(),
        )
    said = answer(Hook(hook), found, frozen_by=frozen_by)
    response.status_code = said.status
    return HookOut(text=said.text, result=found.result.value)


def _may_read(request: Request, token: str) -> None:
    """As for any reading, or with a token in the body.

    Raises:
        HTTPException: 401 nobody that we know, 403 somebody who may not read.
    """
    if token:
        with services_of(request).sessions() as session:
            row = tokens.find(session, token)
        permissions = Scope(row.scope).permissions if row is not None else None
    else:
        actor = actor_of(request)
        permissions = actor.permissions if actor is not None else None
    if permissions is None:
        raise HTTPException(401, "a valid token is needed", headers={"WWW-Authenticate": "Bearer"})
    if Permission.READ not in permissions:
        raise HTTPException(403, f"expected '{Permission.READ.value}'")


def _out(found: Verdict) -> VerdictOut:
    evidence = found.evidence
    return VerdictOut(
        result=found.result.value,
        value=found.value,
        reasons=list(found.reasons),
        candidate=evidence.candidate,
        canary=evidence.canary.value if evidence.canary else None,
        units=sum(evidence.units),
        difference=evidence.difference,
        rollback=evidence.rollback,
        accept=evidence.accept,
        incident=evidence.incident,
        gate=evidence.gate.value if evidence.gate else None,
        at=evidence.at,
    )
