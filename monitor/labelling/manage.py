"""What people do to label tasks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.labelling.withdrawing import withdraw
from monitor.store import audit
from monitor.store.tables import ActionRow, LabelTaskRow
from vigil.errors import NotFoundError, VigilError

_MOST_REASON = 500


def withdraw_batch(
    session: Session, batch: str, *, actor: str, at: datetime, reason: str = ""
) -> int:
    """Take back what of a batch waits; returns how many tasks.

    Raises:
        NotFoundError: no such batch.
        VigilError: a reason that is too long.
    """
    rows = session.scalars(
        select(LabelTaskRow).where(LabelTaskRow.batch == batch).with_for_update()
    ).all()
    if not rows:
        raise NotFoundError(f"no batch {batch!r:.80}: vigil labels queue lists them")
    return _withdraw(session, list(rows), f"batch {batch}", actor=actor, at=at, reason=reason)


def withdraw_incident(
    session: Session, incident_id: int, *, actor: str, at: datetime, reason: str = ""
) -> int:
    """Take back what waits for an incident; returns how many tasks.

    Raises:
        NotFoundError: nothing was picked for it.
        VigilError: a reason that is too long.
    """
    rows = session.scalars(
        select(LabelTaskRow)
        .join(ActionRow, ActionRow.id == LabelTaskRow.action_id)
        .where(ActionRow.incident_id == incident_id)
        .with_for_update(of=LabelTaskRow)
    ).all()
    if not rows:
        raise NotFoundError(f"nothing was picked for incident {incident_id}")
    subject = f"incident {incident_id}"
    return _withdraw(session, list(rows), subject, actor=actor, at=at, reason=reason)


def _withdraw(
    session: Session,
    rows: list[LabelTaskRow],
    subject: str,
    *,
    actor: str,
    at: datetime,
    reason: str,
) -> int:
    if len(reason) > _MOST_REASON:
        raise VigilError(f"reason: expected at most {_MOST_REASON} characters")
    why = f"withdrawn by {actor}" + (f": {reason}" if reason else "")
    count = withdraw(rows, why, at=at)
    audit.record(
        session,
        what="label tasks withdrawn",
        subject=subject,
        actor=actor,
        at=at,
        tasks=count,
        reason=reason,
    )
    return count
