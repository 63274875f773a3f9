"""The page of silences: the list, the form with its preview, and its buttons."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from alerts.silences.draft import from_texts, later_end
from alerts.silences.errors import SilenceError
from alerts.silences.silence import Silence
from dashboards.console import pages
from dashboards.console.silencesview import SilenceForm
from monitor.response import silences
from monitor.web import auth
from monitor.web.access import MAX_ROW, Permission, RowId
from monitor.web.console.change import Fields, change
from monitor.web.console.page_route import PageRoute
from monitor.web.console.queries_silences import form_for, silences_page
from monitor.web.console.requests import Form, Reader, chrome_of, html, see, writer

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_TYPED = ("kind", "matchers", "lasts", "until", "start", "every", "time_zone", "comment")
Incident = Annotated[int | None, Query(ge=0, le=MAX_ROW)]


@router.get("/silences")
def show(
    request: Request, actor: Reader, show: str = "live", incident: Incident = None
) -> Response:
    """With ``incident``, the form is filled in with what would silence it."""
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "silences", refresh=False)
        form = None if incident is None else form_for(session, incident)
        view = silences_page(session, chrome.now, shown=show, form=form)
    return html(pages.render_silences(view, chrome))


@router.post("/silences")
def create(request: Request, fields: Form) -> Response:
    """Create what the form says, or show what it would hold back."""
    if fields.get("do") != "create":
        return _form_again(request, fields)
    try:
        with change(request, fields, Permission.OPERATE) as (session, actor, at):
            made = silences.create(session, _draft(fields, actor, at))
    except SilenceError as error:
        return _form_again(request, fields, str(error))
    return see(f"/silences?notice=silenced#{made.name}")


@router.post("/silences/{silence_id}/end")
def end(request: Request, fields: Form, silence_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        silences.end(session, silence_id, actor=actor, at=at)
    return see("/silences?notice=silence-ended")


@router.post("/silences/{silence_id}/extend")
def extend(request: Request, fields: Form, silence_id: RowId) -> Response:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        before = silences.get(session, silence_id).ends_at
        ends_at = later_end(before, lasts=fields.get("lasts", ""), until="", time_zone="UTC")
        silences.extend(session, silence_id, ends_at, actor=actor, at=at)
    return see("/silences?notice=silence-extended")


def _form_again(request: Request, fields: Fields, error: str = "") -> Response:
    """The page with the form as it was filled in, and its preview or what is wrong with it."""
    actor = writer(request, fields, Permission.OPERATE)
    services = auth.services_of(request)
    with services.sessions() as session:
        chrome = chrome_of(request, session, actor, "silences", refresh=False)
        draft = None
        try:
            draft = None if error else _draft(fields, actor.name, chrome.now)
        except SilenceError as refused:
            error = str(refused)
        form = replace(SilenceForm(), **{name: fields.get(name, "") for name in _TYPED})
        view = silences_page(session, chrome.now, form=form, draft=draft, error=error)
    return html(pages.render_silences(view, chrome), status=400 if error else 200)


def _draft(fields: Fields, actor: str, now: datetime) -> Silence:
    typed = {name: fields.get(name, "") for name in _TYPED}
    matchers = typed.pop("matchers").splitlines()
    return from_texts(**typed, matchers=matchers, actor=actor, now=now)
