"""Tokens: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.audit import record
from monitor.store.tables import TokenRow
from vigil.errors import ConflictError, NotFoundError

PREFIX = "vgl_"


def token_hash(token: str) -> str:
    """SHA-256; a token holds 256 random bits, so that no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def create(session: Session, *, name: str, scope: str, actor: str, at: datetime) -> str:
    """A new token; this is the only time that it is shown.

    Raises:
        ConflictError: the name is taken.
    """
    if session.scalar(select(TokenRow.id).where(TokenRow.name == name)) is not None:
        raise ConflictError(f"token {name!r}: the name is taken; choose another or revoke it")
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(TokenRow(name=name, token_hash=token_hash(token), scope=scope, created_at=at))
    record(session, what="token created", subject=name, actor=actor, at=at, scope=scope)
    session.flush()
    return token


def revoke(session: Session, *, name: str, actor: str, at: datetime) -> None:
    """End a token. Its name stays taken, so that the audit stays readable.

    Raises:
        NotFoundError: no live token has this name.
    """
    row = session.scalar(select(TokenRow).where(TokenRow.name == name))
    if row is None or row.revoked_at is not None:
        raise NotFoundError(f"token {name!r}: there is no live token of this name")
    row.revoked_at = at
    record(session, what="token revoked", subject=name, actor=actor, at=at)
    session.flush()


def find(session: Session, token: str) -> TokenRow | None:
    """The live token, or None."""
    return session.scalar(
        select(TokenRow).where(
            TokenRow.token_hash == token_hash(token), TokenRow.revoked_at.is_(None)
        )
    )


def live(session: Session, token_id: int) -> TokenRow | None:
    """The token of this number, if it was not revoked."""
    row = session.get(TokenRow, token_id)
    return None if row is None or row.revoked_at is not None else row


def rows(session: Session) -> Sequence[TokenRow]:
    """All tokens, by name."""
    return session.scalars(select(TokenRow).order_by(TokenRow.name)).all()
