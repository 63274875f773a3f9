"""The page of routes; it is read only."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from dashboards.console import pages
from monitor.web import auth
from monitor.web.console import queries_routes
from monitor.web.console.page_route import PageRoute
from monitor.web.console.requests import Reader, chrome_of, html

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/routes")
def routes(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "routes", refresh=False)
        view = queries_routes.routes_page(
            session, services.settings, request.query_params, chrome.now
        )
    return html(pages.render_routes(view, chrome))
