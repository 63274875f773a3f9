"""Events of others, each of which counts once however often it is sent."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.tables import InboundEventRow


def first_time(
    session: Session,
    *,
    provider: str,
    receiver: str,
    event_id: str,
    at: datetime,
    subject: str = "",
    incident_id: int | None = None,
) -> bool:
    """Note an event, in the transaction of what it does; False where it was noted before.

    Of two that come at once one waits for the other's transaction.
    """
    name = hashlib.sha256(f"{receiver}\n{event_id}".encode()).hexdigest()
    written = session.scalar(
        insert(session, InboundEventRow)
        .values(
            provider=provider,
            event_id=name,
            received_at=at,
            subject=subject[:200],
            incident_id=incident_id,
        )
        .on_conflict_do_nothing()
        .returning(InboundEventRow.id)
    )
    return written is not None
