"""The page of a model's quality, the forms of its retrainings, and its report."""

from __future__ import annotations

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session

from dashboards.console import pages
from dashboards.console.card import render_card
from monitor.cards.gather import model_card
from monitor.retraining import first_baseline, orders
from monitor.web import auth
from monitor.web.access import Permission, RowId
from monitor.web.console import queries_quality
from monitor.web.console.change import change
from monitor.web.console.page_route import PageRoute
from monitor.web.console.requests import (
    SECURITY_HEADERS,
    Form,
    Reader,
    chrome_of,
    html,
    incident_number,
    see,
    writer,
)

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/quality/{model:path}/{deployment}")
def quality(
    request: Request, actor: Reader, model: str, deployment: str, span: str = ""
) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "fleet", refresh=False)
        view = queries_quality.quality_page(
            session,
            services.settings,
            chrome.now,
            model=model,
            deployment=deployment,
            span=span,
        )
    return html(pages.render_quality(view, chrome))


@router.get("/report/{model:path}/{deployment}")
def report(
    request: Request, actor: Reader, model: str, deployment: str, span: str = ""
) -> Response:
    """The model's report as one page: it carries its own style, and runs nothing."""
    services = auth.services_of(request)
    now = services.clock.now()
    back = queries_quality.SPANS.get(span, queries_quality.SPANS[queries_quality.USUAL])
    with services.sessions() as session:
        card = model_card(session, services.settings, model, deployment, since=now - back, now=now)
    policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    return HTMLResponse(
        render_card(card), headers={**SECURITY_HEADERS, "Content-Security-Policy": policy}
    )


@router.post("/quality/{model:path}/{deployment}/retrain")
def propose(request: Request, fields: Form, model: str, deployment: str) -> Response:
    actor = writer(request, fields, Permission.OPERATE)
    services = auth.services_of(request)
    orders.propose(
        services.sessions,
        services.settings,
        services.samples,
        model=model,
        deployment=deployment,
        reason=fields.get("reason", ""),
        incident_id=incident_number(fields.get("incident", "")),
        actor=actor.name,
        at=services.clock.now(),
    )
    return see(f"{_page(model, deployment)}?notice=saved-change#retraining")


@router.post("/retrainings/{number}/request")
def allow(request: Request, fields: Form, number: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        orders.request(session, number, actor=actor, at=at)
        page = _page_of(session, number)
    return see(f"{page}?notice=saved-change#retraining")


@router.post("/retrainings/{number}/withdraw")
def withdraw(request: Request, fields: Form, number: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        orders.withdraw(session, number, reason=fields.get("reason", ""), actor=actor, at=at)
        page = _page_of(session, number)
    return see(f"{page}?notice=saved-change#retraining")


@router.post("/retrainings/{number}/baseline/accept")
def accept_baseline(request: Request, fields: Form, number: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        first_baseline.accept(session, number, actor=actor, at=at)
        page = _page_of(session, number)
    return see(f"{page}?notice=saved-change#retraining")


def _page_of(session: Session, number: int) -> str:
    row = orders.get(session, number)
    return _page(row.model, row.deployment)


def _page(model: str, deployment: str) -> str:
    return f"/quality/{quote(model)}/{quote(deployment, safe='')}"
