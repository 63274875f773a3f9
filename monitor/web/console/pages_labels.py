"""The page of label queues, and taking a batch back."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from dashboards.console import pages
from monitor.labelling import manage
from monitor.web import auth
from monitor.web.access import Permission
from monitor.web.console.change import change
from monitor.web.console.page_route import PageRoute
from monitor.web.console.queries_labels import labels_page
from monitor.web.console.requests import Form, Reader, chrome_of, html, see

router = APIRouter(prefix="/labels", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "labels")
        view = labels_page(session, services.settings)
    return html(pages.render_labels(view, chrome))


@router.post("/withdraw")
def withdraw(request: Request, fields: Form) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        manage.withdraw_batch(
            session,
            fields.get("batch", ""),
            actor=actor,
            at=at,
            reason=fields.get("reason", ""),
        )
    return see("/labels?notice=labels-withdrawn#batches")
