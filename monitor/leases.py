"""Leases: of several service processes on one database, one holds a job at a time.

A lease runs out by itself, so that a killed holder is replaced. Each change of holder raises the
term; work done under an old term is refused by ``check`` in the transaction that would write it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, or_, select
from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.tables import LeaseRow
from vigil.errors import ConflictError

SCHEDULER = "scheduler"
DELIVERY = "delivery"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lease:
    """A job held by one process until ``expires_at``; ``term`` counts the holders."""

    name: str
    holder: str
    term: int
    expires_at: datetime


def acquire(
    session: Session, name: str, *, holder: str, now: datetime, seconds: float
) -> Lease | None:
    """Take the lease, or renew one's own; None while another holds it.

    One statement decides, so that two processes can't both win.
    """
    expires = now + timedelta(seconds=seconds)
    statement = insert(session, LeaseRow).values(
        name=name, holder=holder, term=1, expires_at=expires
    )
    term = session.scalar(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={
                "holder": holder,
                "expires_at": expires,
                "term": LeaseRow.term + case((LeaseRow.holder == holder, 0), else_=1),
            },
            where=or_(LeaseRow.holder == holder, LeaseRow.expires_at <= now),
        ).returning(LeaseRow.term)
    )
    if term is None:
        return None
    return Lease(name=name, holder=holder, term=term, expires_at=expires)


def release(session: Session, lease: Lease, *, now: datetime) -> None:
    """Give the lease back, so that another may take it at once; nothing where it was lost."""
    row = session.get(LeaseRow, lease.name, with_for_update=True, populate_existing=True)
    if row is not None and (row.holder, row.term) == (lease.holder, lease.term):
        row.expires_at = now
        session.flush()


def check(session: Session, lease: Lease) -> None:
    """Refuse to go on where another took the lease since; holds the row until the commit.

    Raises:
        ConflictError: the lease has another holder or term by now.
    """
    row = session.get(LeaseRow, lease.name, with_for_update=True, populate_existing=True)
    if row is None or (row.holder, row.term) != (lease.holder, lease.term):
        found = "nobody" if row is None else f"{row.holder} in term {row.term}"
        raise ConflictError(
            f"lease {lease.name}: expected {lease.holder} in term {lease.term}, found {found}"
        )


def holder(session: Session, name: str, *, now: datetime) -> str | None:
    """Who holds the lease now; None: nobody."""
    return session.scalar(
        select(LeaseRow.holder).where(LeaseRow.name == name, LeaseRow.expires_at > now)
    )
