"""Corrective actions and runbook steps of incidents: what people promise, and what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from monitor.postmortem.export import page
from monitor.postmortem.gather import postmortem
from monitor.postmortem.markdown import markdown
from monitor.response import followups, record, steps
from monitor.runbook_values import page_of
from monitor.web.access import RowId
from monitor.web.api.answers import Answer
from monitor.web.api.texts import Note, Version
from monitor.web.auth import Operator, Reader, services_of
from vigil.errors import NotFoundError

router = APIRouter(prefix="/v1", tags=["incidents"])


class FollowupOut(Answer):
    id: int
    incident_id: int
    text: str
    owner: str
    due_at: datetime | None
    state: str
    created_at: datetime
    created_by: str
    closed_at: datetime | None
    closed_by: str
    note: str


class NewFollowup(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: Annotated[Note, Field(min_length=1)]
    owner: Annotated[Note, Field(max_length=200)] = ""
    due_at: AwareDatetime | None = None


class Closing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    state: Literal["done", "dropped"]
    note: Note = ""


class StepIn(BaseModel):
    """``done`` false takes the tick back; ``runbook``: another page than the incident's own."""

    model_config = ConfigDict(extra="forbid")
    step: Annotated[int, Field(ge=1, le=10_000)]
    runbook: Version | None = None
    done: bool = True


class StepOut(Answer):
    number: int
    text: str
    done_by: str | None
    done_at: datetime | None


class StepsOut(Answer):
    runbook: str
    steps: list[StepOut]


@router.get("/followups")
def list_followups(
    request: Request,
    actor: Reader,
    incident: int | None = None,
    state: Literal["open", "done", "dropped"] | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[FollowupOut]:
    """Corrective actions: open ones first, by when they are due."""
    with services_of(request).sessions() as session:
        found = followups.listed(session, incident_id=incident, state=state, limit=limit)
        return [FollowupOut.model_validate(row) for row in found]


@router.post("/incidents/{incident_id}/followups", responses={404: {}}, status_code=201)
def add_followup(
    request: Request, actor: Operator, incident_id: RowId, body: NewFollowup
) -> FollowupOut:
    """Add a corrective action to an incident."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = followups.add(
            session,
            incident_id,
            body.text,
            owner=body.owner,
            due_at=body.due_at,
            actor=actor.name,
            at=services.clock.now(),
        )
        return FollowupOut.model_validate(row)


@router.post("/followups/{followup_id}/close", responses={404: {}, 409: {}})
def close_followup(
    request: Request, actor: Operator, followup_id: RowId, body: Closing
) -> FollowupOut:
    """Say that it is done, or dropped and why."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = followups.close(
            session,
            followup_id,
            body.state,
            note=body.note,
            actor=actor.name,
            at=services.clock.now(),
        )
        return FollowupOut.model_validate(row)


@router.get("/incidents/{incident_id}/export", responses={404: {}})
def export(
    request: Request,
    actor: Reader,
    incident_id: RowId,
    form: Annotated[Literal["md", "html"], Query(alias="format")] = "md",
) -> Response:
    """The post-mortem: Markdown without plots, or one self-contained page."""
    services = services_of(request)
    with services.sessions() as session:
        found = postmortem(session, services, incident_id, now=services.clock.now())
    if form == "html":
        return Response(page(found), media_type="text/html; charset=utf-8")
    return Response(markdown(found, {}), media_type="text/markdown; charset=utf-8")


@router.get("/incidents/{incident_id}/steps", responses={404: {}})
def list_steps(
    request: Request, actor: Reader, incident_id: RowId, runbook: Version | None = None
) -> StepsOut:
    """The steps of the incident's runbook, with who did which and when."""
    return _steps(request, incident_id, runbook)


@router.post("/incidents/{incident_id}/steps", responses={404: {}})
def tick_step(request: Request, actor: Operator, incident_id: RowId, body: StepIn) -> StepsOut:
    """Tick a step of the incident's runbook, or take a tick back."""
    services = services_of(request)
    with services.sessions.begin() as session:
        found = record.get(session, incident_id)
        book = services.runbooks.get(body.runbook) if body.runbook else None
        book = book or page_of(services.runbooks, found)
        if book is None:
            raise NotFoundError(f"incident {incident_id}: it has no runbook")
        change = steps.tick if body.done else steps.untick
        change(session, incident_id, book, body.step, actor=actor.name, at=services.clock.now())
    return _steps(request, incident_id, book.name)


def _steps(request: Request, incident_id: int, runbook: str | None) -> StepsOut:
    services = services_of(request)
    with services.sessions() as session:
        found = record.get(session, incident_id)
        book = services.runbooks.get(runbook) if runbook else page_of(services.runbooks, found)
        if book is None:
            raise NotFoundError(f"incident {incident_id}: it has no runbook")
        ticked = steps.ticks_of(session, incident_id, book.name)
    lines = []
    for step in book.steps:
        row = ticked.get(step.number)
        lines.append(
            StepOut(
                number=step.number,
                text=step.text,
                done_by=row.actor if row else None,
                done_at=row.at if row else None,
            )
        )
    return StepsOut(runbook=book.name, steps=lines)
