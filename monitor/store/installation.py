"""What tells one vigil from another that pages the same people: a name made once for a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from monitor.store.database import Sessions, insert
from monitor.store.tables import StateRow

_NAME = "installation"


def ensure(sessions: Sessions, *, new_id: Callable[[], str], now: datetime) -> None:
    """Give the database its name, where it has none. Several processes may do so at once."""
    with sessions() as session:
        if of(session):
            return
    with sessions.begin() as session:
        row = {"name": _NAME, "updated_at": now, "blob": new_id().encode()}
        session.execute(insert(session, StateRow).values(row).on_conflict_do_nothing())


def of(session: Session) -> str:
    """The name; empty in a database that no service has opened."""
    row = session.get(StateRow, _NAME)
    return row.blob.decode() if row else ""
