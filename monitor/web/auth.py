"""Decides who makes a request, and refuses what they may not do.

Reads on loopback are open; beyond it they need a token or a session. Writes always do. The
console (``monitor.web.console``) uses ``actor_of``, ``log_in``, ``log_out``, ``csrf_of`` and
``check_form``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response
from sqlalchemy.orm import Session

from monitor.services import Services
from monitor.settings.addresses import listen_address
from monitor.settings.schema import Service
from monitor.store import tokens
from monitor.store.tables import TokenRow
from monitor.web.access import LOOPBACK_READER, Actor, Permission, Scope
from monitor.web.hosts import host_of, is_loopback_name
from monitor.web.session import (
    COOKIE,
    CSRF_HEADER,
    LIFETIME,
    csrf_is_right,
    csrf_value,
    make_cookie,
    read_cookie,
)
from vigil.errors import VigilError

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="vigil"'}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class LoginError(VigilError):
    """A token that does not let anyone in."""


def services_of(request: Request) -> Services:
    """The services behind this request."""
    services: Services = request.app.state.services
    return services


def actor_of(request: Request) -> Actor | None:
    """Who makes this request; None: nobody that we know.

    A wrong or revoked token is nobody, even on loopback: the caller meant to be somebody.
    """
    services = services_of(request)
    header = request.headers.get("authorization", "")
    if header:
        kind, _, token = header.partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            return None
        with services.sessions() as session:
            row = tokens.find(session, token.strip())
            return None if row is None else _actor(row, "token")
    cookie = request.cookies.get(COOKIE)
    if cookie:
        now = services.clock.now()
        token_id = read_cookie(cookie, secret=services.session_secret, now=now)
        if token_id is not None:
            with services.sessions() as session:
                row = tokens.live(session, token_id)
                if row is not None:
                    return _actor(row, "session")
    return LOOPBACK_READER if is_local(request, services.settings.service) else None


def is_local(request: Request, service: Service) -> bool:
    """Whether a request comes from this very machine and was not passed on by a proxy."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "x-real-ip")):
        return False
    client = request.client.host if request.client else ""
    listens_on = listen_address(service.listen)[0]
    return (
        is_loopback_name(listens_on)
        and is_loopback_name(client)
        and is_loopback_name(host_of(request.headers.get("host", "")))
    )


def require(*permissions: Permission) -> Callable[[Request], Actor]:
    """A dependency: the actor, who has one of these permissions.

    Answers 401 to nobody, 403 to somebody else, and 403 where a session's write lacks its CSRF
    value (header ``X-CSRF-Token``).
    """

    def dependency(request: Request) -> Actor:
        actor = actor_of(request)
        if actor is None or (actor.via == "loopback" and not _may(actor, permissions)):
            raise HTTPException(401, "a valid token is needed", headers=_CHALLENGE)
        if not _may(actor, permissions):
            wanted = " or ".join(f"'{permission.value}'" for permission in permissions)
            raise HTTPException(403, f"{actor.name} may not do this: expected {wanted}")
        if actor.via == "session" and request.method not in _SAFE:
            check_form(request, request.headers.get(CSRF_HEADER, ""))
        return actor

    return dependency


Sender = Annotated[Actor, Depends(require(Permission.SEND))]
Reader = Annotated[Actor, Depends(require(Permission.READ))]
RulerReader = Annotated[Actor, Depends(require(Permission.READ, Permission.SEND))]
Operator = Annotated[Actor, Depends(require(Permission.OPERATE))]
Approver = Annotated[Actor, Depends(require(Permission.APPROVE))]


def log_in(request: Request, response: Response, token: str) -> Actor:
    """Open a session for the holder of a token: sets the cookie.

    Raises:
        LoginError: no live token, or one that may not read.
    """
    services = services_of(request)
    with services.sessions() as session:
        row = tokens.find(session, token.strip())
    if row is None:
        raise LoginError("this token is not known, or was revoked")
    actor = _actor(row, "session")
    if not actor.may(Permission.READ):
        raise LoginError("this token only sends windows: it does not open the console")
    response.set_cookie(
        COOKIE,
        make_cookie(row.id, secret=services.session_secret, now=services.clock.now()),
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=services.settings.service.url.startswith("https://"),
        path="/",
    )
    return actor


def log_out(response: Response) -> None:
    """End the session in this browser."""
    response.delete_cookie(COOKIE, path="/")


def csrf_of(request: Request) -> str:
    """What the forms of a page must carry in the field ``csrf``; empty without a session."""
    cookie = request.cookies.get(COOKIE, "")
    return csrf_value(cookie, secret=services_of(request).session_secret) if cookie else ""


def check_form(request: Request, value: str) -> None:
    """Refuse (403) a write of a session whose CSRF value is not right."""
    cookie = request.cookies.get(COOKIE, "")
    secret = services_of(request).session_secret
    if not cookie or not csrf_is_right(cookie, value, secret=secret):
        raise HTTPException(403, "this form is out of date or forged: load the page again")


def create_token(session: Session, *, name: str, scope: str, actor: str, at: datetime) -> str:
    """A new token, shown this once.

    Raises:
        VigilError: no such scope.
        ConflictError: the name is taken.
    """
    if scope not in set(Scope):
        raise VigilError(f"scope: expected one of {', '.join(Scope)}, found {scope!r}")
    return tokens.create(session, name=name, scope=scope, actor=actor, at=at)


def revoke_token(session: Session, *, name: str, actor: str, at: datetime) -> None:
    """End a token, and the sessions opened with it.

    Raises:
        NotFoundError: no live token has this name.
    """
    tokens.revoke(session, name=name, actor=actor, at=at)


def _may(actor: Actor, permissions: tuple[Permission, ...]) -> bool:
    return any(actor.may(permission) for permission in permissions)


def _actor(row: TokenRow, via: str) -> Actor:
    return Actor(
        name=row.name,
        permissions=Scope(row.scope).permissions,
        via="session" if via == "session" else "token",
        token_id=row.id,
    )
