"""The page of a model's versions."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from dashboards.console import pages
from monitor.web import auth
from monitor.web.console import queries_versions
from monitor.web.console.page_route import PageRoute
from monitor.web.console.requests import Reader, chrome_of, html

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/versions/{model:path}/{deployment}")
def versions(request: Request, actor: Reader, model: str, deployment: str) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "fleet")
        view = queries_versions.versions_page(
            session, services.settings, chrome.now, model=model, deployment=deployment
        )
    return html(pages.render_versions(view, chrome))
