"""The page of deliveries, and its two buttons."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from dashboards.console import pages
from monitor.response import letters
from monitor.web import auth
from monitor.web.access import Permission, RowId
from monitor.web.console import queries_deliveries
from monitor.web.console.change import change
from monitor.web.console.page_route import PageRoute
from monitor.web.console.requests import Form, Reader, chrome_of, html, see

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/deliveries")
def deliveries(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "deliveries")
        view = queries_deliveries.deliveries_page(session, services.settings, chrome.now)
    return html(pages.render_deliveries(view, chrome))


@router.post("/deliveries/{delivery_id}/resend")
def resend(request: Request, fields: Form, delivery_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        letters.resend(session, delivery_id, actor=actor, at=at)
    return see("/deliveries?notice=resent")


@router.post("/deliveries/{delivery_id}/drop")
def drop(request: Request, fields: Form, delivery_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        letters.drop(session, delivery_id, actor=actor, at=at)
    return see("/deliveries?notice=dropped")
