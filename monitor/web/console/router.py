"""The console's pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse

from dashboards.console import pages
from monitor.runbook_values import general_values
from monitor.web import auth
from monitor.web.access import MAX_ROW, RowId
from monitor.web.console import (
    forms,
    pages_deliveries,
    pages_followups,
    pages_labels,
    pages_quality,
    pages_releases,
    pages_routes,
    pages_silences,
    pages_versions,
    queries_actions,
    queries_audit,
    queries_fleet,
    queries_incident,
    queries_incidents,
    queries_model,
    queries_report,
    queries_runbooks,
)
from monitor.web.console.page_route import PageRoute
from monitor.web.console.requests import (
    SECURITY_HEADERS,
    Form,
    Reader,
    bare_chrome,
    chrome_of,
    html,
    inner_path,
    see,
)

Incident = Annotated[int | None, Query(ge=0, le=MAX_ROW)]
Changed = Callable[[Request, Form, RowId], Response]
router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.include_router(pages_silences.router)
router.include_router(pages_deliveries.router)
router.include_router(pages_routes.router)
router.include_router(pages_followups.router)
router.include_router(pages_labels.router)
router.include_router(pages_quality.router)
router.include_router(pages_releases.router)
router.include_router(pages_versions.router)


@router.get("/static/{name}")
def static(name: str) -> Response:
    if name not in pages.STATIC:
        raise HTTPException(404, "there is no such file")
    headers = {**SECURITY_HEADERS, "Cache-Control": "public, max-age=300"}
    return Response(pages.static(name), media_type=pages.STATIC[name], headers=headers)


@router.get("/")
def fleet(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "fleet")
        view = queries_fleet.fleet(session, services, chrome.now)
    return html(pages.render_fleet(view, chrome))


@router.get("/models/{model:path}/{deployment}")
def model(
    request: Request,
    actor: Reader,
    model: str,
    deployment: str,
    slice: str = "",
    span: str = "",
    signal: str = "",
) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "fleet")
        view = queries_model.model_page(
            session,
            services,
            chrome.now,
            model=model,
            deployment=deployment,
            slice_text=slice,
            span=span,
            signal=signal,
        )
    return html(pages.render_model(view, chrome))


@router.get("/audit")
def audit(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "audit")
        view = queries_audit.audit_page(session, services, chrome.now)
    return html(pages.render_audit(view, chrome))


@router.get("/incidents")
def incidents(request: Request, actor: Reader, state: str = "open", page: int = 1) -> Response:
    state = state if state in ("open", "resolved", "all") else "open"
    page = min(max(1, page), 100_000)
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "incidents")
        lines, more = queries_incidents.lines(session, state, page)
    return html(pages.render_incidents(lines, chrome, state=state, page=page, more=more))


@router.get("/incidents/{incident_id}")
def incident(request: Request, actor: Reader, incident_id: RowId) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "incidents")
        row = queries_incident.incident_row(session, incident_id)
        book = queries_runbooks.for_incident(session, services.settings, row, chrome)
        view = queries_incident.incident_page(session, services, chrome.now, incident_id, book)
    return html(pages.render_incident(view, chrome))


@router.get("/incidents/{incident_id}/report")
def incident_report(request: Request, actor: Reader, incident_id: RowId) -> Response:
    """Evidently's page runs scripts of its own: in a sandbox, where it is nobody's session."""
    services = auth.services_of(request)
    with services.sessions() as session:
        queries_incident.incident_row(session, incident_id)
    page = queries_report.page(services.samples, incident_id)
    return HTMLResponse(page, headers={**SECURITY_HEADERS, **queries_report.HEADERS})


@router.get("/relabel/{item_id}.png")
def relabel_image(request: Request, actor: Reader, item_id: RowId) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        raw = queries_actions.image_bytes(session, services.samples, item_id)
    headers = {**SECURITY_HEADERS, "Cache-Control": "private, max-age=3600"}
    return Response(raw, media_type="image/png", headers=headers)


@router.get("/runbooks")
def runbooks(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    library = queries_runbooks.library_in(services.settings.runbooks)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "runbooks", refresh=False)
    books = [queries_runbooks.page_of(book, {}) for book in library]
    return html(pages.render_runbooks(books, chrome))


@router.get("/runbooks/{name}")
def runbook(request: Request, actor: Reader, name: str, incident: Incident = None) -> Response:
    services = auth.services_of(request)
    book = queries_runbooks.library_in(services.settings.runbooks).get(name)
    view = queries_runbooks.page_of(book, general_values(services.settings))
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "runbooks", refresh=False)
        if incident is not None:
            row = queries_incident.incident_row(session, incident)
            view = queries_runbooks.filled(
                session, services.settings, row, book, chrome, then="page"
            )
    return html(pages.render_runbook(view, chrome))


@router.get("/login")
def login(request: Request, then: str = "/") -> Response:
    return html(pages.render_login(bare_chrome(request), error="", then=inner_path(then)))


@router.post("/login")
def log_in(request: Request, fields: Form) -> Response:
    then = inner_path(fields.get("then", "/"))
    answer = see(then)
    try:
        auth.log_in(request, answer, fields.get("token", ""))
    except auth.LoginError as error:
        page = pages.render_login(bare_chrome(request), error=str(error), then=then)
        return html(page, status=403)
    return answer


@router.post("/logout")
def log_out(request: Request, fields: Form) -> Response:
    auth.check_form(request, fields.get("csrf", ""))
    answer = see("/")
    auth.log_out(answer)
    return answer


def _changing(change: Callable[[Request, dict[str, str], int], None], notice: str) -> Changed:
    def changed(request: Request, fields: Form, incident_id: RowId) -> Response:
        change(request, fields, incident_id)
        return see(f"/incidents/{incident_id}?notice={notice}")

    return changed


for _change, _notice in (
    (forms.acknowledge, "acknowledged"),
    (forms.resolve, "resolved"),
    (forms.disposition, "saved"),
    (forms.accept, "accepted"),
):
    _name = _change.__name__
    router.post(f"/incidents/{{incident_id}}/{_name}", name=_name)(_changing(_change, _notice))


@router.post("/actions/{action_id}/approve")
def approve(request: Request, fields: Form, action_id: RowId) -> Response:
    incident_id = forms.approve(request, fields, action_id)
    return see(f"/incidents/{incident_id}?notice=approved")
