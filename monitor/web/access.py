"""Who may do what: scopes as sets of permissions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from fastapi import Path

MAX_ROW = 2**63 - 1
RowId = Annotated[int, Path(ge=0, le=MAX_ROW)]
"""The number of a row in a path; a larger one no database can be asked for."""


class Permission(StrEnum):
    SEND = "send windows and labels"
    READ = "read"
    OPERATE = "change incidents, releases and baselines"
    APPROVE = "approve actions and stop them"
    ADMINISTER = "administer"


class Scope(StrEnum):
    """What a token is for."""

    INGEST = "ingest"
    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def permissions(self) -> frozenset[Permission]:
        return _PERMISSIONS[self]


_READER = frozenset({Permission.READ})
_OPERATOR = _READER | {Permission.OPERATE}
_PERMISSIONS = {
    Scope.INGEST: frozenset({Permission.SEND}),
    Scope.VIEWER: _READER,
    Scope.OPERATOR: _OPERATOR,
    Scope.APPROVER: _OPERATOR | {Permission.APPROVE},
    Scope.ADMIN: frozenset(Permission),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """Who makes a request, and how we know. ``token_id`` is None for a reader on loopback."""

    name: str
    permissions: frozenset[Permission]
    via: Literal["token", "session", "loopback"]
    token_id: int | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions


LOOPBACK_READER = Actor(name="loopback", permissions=_READER, via="loopback")
