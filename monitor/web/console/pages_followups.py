"""The page of corrective actions, and the forms of those and of runbook steps."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from dashboards.console import pages
from monitor.postmortem.export import page
from monitor.postmortem.gather import postmortem
from monitor.response import followups, steps
from monitor.web import auth
from monitor.web.access import Permission, RowId
from monitor.web.console import queries_followups
from monitor.web.console.change import change
from monitor.web.console.page_route import PageRoute
from monitor.web.console.queries_runbooks import library_in
from monitor.web.console.requests import SECURITY_HEADERS, Form, Reader, chrome_of, html, see

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/followups")
def overview(request: Request, actor: Reader, state: str = "open") -> Response:
    services = auth.services_of(request)
    state = state if state in ("open", "all") else "open"
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "followups", refresh=False)
        lines = queries_followups.lines(
            session, chrome.now, state=None if state == "all" else followups.OPEN
        )
    return html(pages.render_followups(lines, chrome, state=state))


@router.get("/incidents/{incident_id}/export")
def export(request: Request, actor: Reader, incident_id: RowId) -> Response:
    """The post-mortem as one page: it carries its own style, and runs nothing."""
    services = auth.services_of(request)
    with services.sessions() as session:
        found = postmortem(session, services, incident_id, now=services.clock.now())
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(
        page(found), headers={**SECURITY_HEADERS, "Content-Security-Policy": policy}
    )


@router.post("/incidents/{incident_id}/followups")
def add(request: Request, fields: Form, incident_id: RowId) -> Response:
    due_at = _date(fields.get("due", ""))
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        followups.add(
            session,
            incident_id,
            fields.get("text", ""),
            owner=fields.get("owner", ""),
            due_at=due_at,
            actor=actor,
            at=at,
        )
    return see(f"/incidents/{incident_id}?notice=followup-added#followups")


@router.post("/followups/{followup_id}/close")
def close(request: Request, fields: Form, followup_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        row = followups.close(
            session,
            followup_id,
            fields.get("state", ""),
            note=fields.get("note", ""),
            actor=actor,
            at=at,
        )
        incident_id = row.incident_id
    if fields.get("then") == "overview":
        return see("/followups?notice=followup-closed")
    return see(f"/incidents/{incident_id}?notice=followup-closed#followups")


@router.post("/incidents/{incident_id}/steps")
def tick(request: Request, fields: Form, incident_id: RowId) -> Response:
    """A step of a runbook is done; with ``undo`` it is not after all."""
    settings = auth.services_of(request).settings
    book = library_in(settings.runbooks).get(fields.get("runbook", ""))
    number = fields.get("step", "")
    if not (number.isascii() and number.isdigit() and len(number) < 6):
        raise HTTPException(400, f"step: expected a number, found {number[:20]!r}")
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        act = steps.untick if fields.get("undo") else steps.tick
        act(session, incident_id, book, int(number), actor=actor, at=at)
    if fields.get("then") == "page":
        return see(f"/runbooks/{book.name}?incident={incident_id}")
    return see(f"/incidents/{incident_id}#runbook")


def _date(text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        return datetime.strptime(text.strip(), "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise HTTPException(400, f"due: expected a date as 2026-12-01, found {text[:20]!r}") from (
            None
        )
