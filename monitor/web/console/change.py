"""A person's change from a form: checked, and in one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from fastapi import Request
from sqlalchemy.orm import Session

from monitor.web import auth
from monitor.web.access import Permission
from monitor.web.console.requests import writer

Fields = dict[str, str]


class Change(NamedTuple):
    """A transaction in which a person changes something."""

    session: Session
    actor: str
    at: datetime


@contextmanager
def change(request: Request, fields: Fields, permission: Permission) -> Iterator[Change]:
    """Raises:
    SignInNeededError, HTTPException: see ``writer``.
    """
    actor = writer(request, fields, permission)
    services = auth.services_of(request)
    with services.sessions.begin() as session:
        yield Change(session, actor.name, services.clock.now())
