"""What people change from the console. The transitions are ``monitor.response.people``'s."""

from __future__ import annotations

from fastapi import Request

from monitor.response import people
from monitor.response.accept import accept as accept_as_normal
from monitor.response.announce import Announcer
from monitor.web import auth
from monitor.web.access import Permission
from monitor.web.console.queries_runbooks import library_in
from monitor.web.console.requests import writer

Fields = dict[str, str]


def acknowledge(request: Request, fields: Fields, incident_id: int) -> None:
    actor = writer(request, fields, Permission.OPERATE)
    services = auth.services_of(request)
    with services.sessions.begin() as session:
        people.acknowledge(
            session,
            incident_id,
            actor=actor.name,
            at=services.clock.now(),
            announcer=_announcer(request),
        )


def resolve(request: Request, fields: Fields, incident_id: int) -> None:
    actor = writer(request, fields, Permission.OPERATE)
    services = auth.services_of(request)
    with services.sessions.begin() as session:
        people.resolve(
            session,
            incident_id,
            actor=actor.name,
            at=services.clock.now(),
            announcer=_announcer(request),
        )


def disposition(request: Request, fields: Fields, incident_id: int) -> None:
    actor = writer(request, fields, Permission.OPERATE)
    services = auth.services_of(request)
    with services.sessions.begin() as session:
        people.disposition(
            session,
            incident_id,
            fields.get("disposition", ""),
            actor=actor.name,
            at=services.clock.now(),
        )


def accept(request: Request, fields: Fields, incident_id: int) -> None:
    actor = writer(request, fields, Permission.OPERATE)
    services = auth.services_of(request)
    with services.sessions.begin() as session:
        accept_as_normal(
            session,
            incident_id,
            reason=fields.get("reason", ""),
            settings=services.settings,
            actor=actor.name,
            at=services.clock.now(),
            announcer=_announcer(request),
        )


def approve(request: Request, fields: Fields, action_id: int) -> int:
    """Approve the plan whose hash the form carries; the number of the action's incident."""
    actor = writer(request, fields, Permission.APPROVE)
    services = auth.services_of(request)
    with services.sessions.begin() as session:
        row = people.approve(
            session,
            action_id,
            plan_hash=fields.get("plan_hash", ""),
            actor=actor.name,
            at=services.clock.now(),
        )
        return row.incident_id


def _announcer(request: Request) -> people.Teller:
    """The application's own, else one that routes as the settings say."""
    given: people.Teller | None = getattr(request.app.state, "announcer", None)
    settings = auth.services_of(request).settings
    return given or Announcer(settings, library_in(settings.runbooks))
