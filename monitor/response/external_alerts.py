"""The alerts of other systems that we know: by fingerprint, in the table of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from alerts.external import SOURCE, ExternalAlert
from monitor.store.database import insert
from monitor.store.tables import ExternalAlertRow

_STEP = 1000
_T = TypeVar("_T")


def known(session: Session, fingerprints: Sequence[str]) -> dict[str, ExternalAlertRow]:
    """Those of these fingerprints that came before."""
    found: dict[str, ExternalAlertRow] = {}
    for some in _steps(list(fingerprints)):
        rows = session.scalars(
            select(ExternalAlertRow).where(
                ExternalAlertRow.source == SOURCE, ExternalAlertRow.fingerprint.in_(some)
            )
        )
        found.update({row.fingerprint: row for row in rows})
    return found


def attach(
    session: Session, incident_id: int, alerts: Sequence[ExternalAlert], *, at: datetime
) -> None:
    """These fire, and are part of this incident from now on."""
    for some in _steps(list(alerts)):
        rows = [
            {
                "source": SOURCE,
                "fingerprint": one.fingerprint,
                "incident_id": incident_id,
                "labels": dict(one.labels),
                "text": one.text,
                "starts_at": one.starts_at,
                "last_seen_at": at,
                "resolved_at": None,
            }
            for one in some
        ]
        statement = insert(session, ExternalAlertRow)
        changed = {
            name: statement.excluded[name]
            for name in rows[0]
            if name not in ("source", "fingerprint")
        }
        session.execute(
            statement.on_conflict_do_update(index_elements=["source", "fingerprint"], set_=changed),
            rows,
        )


def seen(session: Session, rows: Iterable[ExternalAlertRow], *, at: datetime) -> None:
    """These fire still."""
    for some in _steps([row.id for row in rows]):
        session.execute(
            update(ExternalAlertRow)
            .where(ExternalAlertRow.id.in_(some))
            .values(last_seen_at=at)
            .execution_options(synchronize_session=False)
        )


def over(session: Session, rows: Iterable[ExternalAlertRow], *, at: datetime) -> None:
    """These are resolved."""
    for some in _steps([row.id for row in rows]):
        session.execute(
            update(ExternalAlertRow)
            .where(ExternalAlertRow.id.in_(some))
            .values(resolved_at=at, last_seen_at=at)
            .execution_options(synchronize_session=False)
        )


def still_firing(session: Session, incident_id: int) -> int:
    """How many alerts of an incident fire."""
    count = session.scalar(
        select(func.count())
        .select_from(ExternalAlertRow)
        .where(ExternalAlertRow.incident_id == incident_id, ExternalAlertRow.resolved_at.is_(None))
    )
    return count or 0


def _steps(items: list[_T]) -> Iterable[list[_T]]:
    return (items[first : first + _STEP] for first in range(0, len(items), _STEP))
