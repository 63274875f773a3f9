"""The page of canaries, gates and controls, and its forms."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from dashboards.console import pages
from monitor.canary import manage as canaries
from monitor.controls import manage as controls
from monitor.controls.open import values_of
from monitor.web import auth
from monitor.web.access import Permission, RowId
from monitor.web.console.change import change
from monitor.web.console.page_route import PageRoute
from monitor.web.console.queries_releases import releases_page
from monitor.web.console.requests import (
    Form,
    Reader,
    chrome_of,
    html,
    incident_number,
    see,
    share_of,
)
from vigil.errors import NotFoundError

router = APIRouter(prefix="/releases", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show(request: Request, actor: Reader) -> Response:
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "releases", refresh=False)
        view = releases_page(session, services.settings)
    return html(pages.render_releases(view, chrome))


@router.post("/canaries")
def start(request: Request, fields: Form) -> Response:
    model, _, deployment = fields.get("family", "").rpartition("/")
    settings = auth.services_of(request).settings
    if settings.model(model, deployment) is None:
        raise NotFoundError(f"{model} in {deployment}: not declared under [[models]]")
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        canaries.start(
            session,
            settings,
            model=model,
            deployment=deployment,
            candidate=fields.get("candidate", "").strip(),
            control=fields.get("control", "").strip() or None,
            share=share_of(fields.get("share", ""), "share"),
            margin=share_of(fields.get("margin", ""), "margin", otherwise=canaries.MARGIN),
            alpha=share_of(fields.get("alpha", ""), "alpha", otherwise=canaries.ALPHA),
            actor=actor,
            at=at,
        )
    return see("/releases?notice=canary-started#canaries")


@router.post("/canaries/{canary_id}/end")
def end(request: Request, fields: Form, canary_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        canaries.end(session, canary_id, actor=actor, at=at)
    return see("/releases?notice=canary-ended#canaries")


@router.post("/controls")
def ask(request: Request, fields: Form) -> Response:
    model, _, deployment = fields.get("family", "").rpartition("/")
    settings = auth.services_of(request).settings
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        controls.propose(
            session,
            model=model,
            deployment=deployment,
            what=fields.get("what", ""),
            name=fields.get("name", "").strip(),
            value=fields.get("value", ""),
            actor=actor,
            at=at,
            target=values_of(settings, model, deployment),
            reason=fields.get("reason", "")[:2000],
            incident_id=incident_number(fields.get("incident", "")),
        )
    return see("/releases?notice=control-asked#controls")


@router.post("/controls/{control_id}/approve")
def approve(request: Request, fields: Form, control_id: RowId) -> Response:
    plan_hash = fields.get("plan_hash", "")
    with change(request, fields, Permission.APPROVE) as (session, actor, at):
        controls.approve(session, control_id, plan_hash=plan_hash, actor=actor, at=at)
    return see("/releases?notice=approved#controls")


@router.post("/controls/{control_id}/withdraw")
def withdraw(request: Request, fields: Form, control_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        controls.withdraw(session, control_id, actor=actor, at=at)
    return see("/releases?notice=control-withdrawn#controls")


@router.post("/controls/{control_id}/undo")
def undo(request: Request, fields: Form, control_id: RowId) -> Response:
    settings = auth.services_of(request).settings
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        first = controls.held(session, control_id)
        target = values_of(settings, first.model, first.deployment)
        controls.undo(session, control_id, actor=actor, at=at, target=target)
    return see("/releases?notice=control-asked#controls")
