"""What people change from the console. The transitions are ``monitor.response.people``'s."""

from __future__ import annotations

from fastapi import Request

from monitor.response import people
from monitor.response.accept import accept as accept_as_normal
from monitor.response.announce import Announcer
from monitor.web import auth
from monitor.web.access import Permission
from monitor.web.console.change import Fields, change
from monitor.web.console.queries_runbooks import library_in


def acknowledge(request: Request, fields: Fields, incident_id: int) -> None:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        people.acknowledge(session, incident_id, actor=actor, at=at, announcer=_announcer(request))


def resolve(request: Request, fields: Fields, incident_id: int) -> None:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        people.resolve(session, incident_id, actor=actor, at=at, announcer=_announcer(request))


def disposition(request: Request, fields: Fields, incident_id: int) -> None:
    value = fields.get("disposition", "")
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        people.disposition(session, incident_id, value, actor=actor, at=at)


def accept(request: Request, fields: Fields, incident_id: int) -> None:
    with change(request, fields, Permission.OPERATE) as (session, actor, at):
        accept_as_normal(
            session,
            incident_id,
            reason=fields.get("reason", ""),
            settings=auth.services_of(request).settings,
            actor=actor,
            at=at,
            announcer=_announcer(request),
        )


def approve(request: Request, fields: Fields, action_id: int) -> int:
    """Approve the plan whose hash the form carries; the number of the action's incident."""
    plan_hash = fields.get("plan_hash", "")
    with change(request, fields, Permission.APPROVE) as (session, actor, at):
        row = people.approve(
            session,
            action_id,
            plan_hash=plan_hash,
            actor=actor,
            at=at,
            announcer=_announcer(request),
        )
        return row.incident_id


def _announcer(request: Request) -> people.Teller:
    """The application's own, else one that routes as the settings say."""
    given: people.Teller | None = getattr(request.app.state, "announcer", None)
    settings = auth.services_of(request).settings
    return given or Announcer(settings, library_in(settings.runbooks))
