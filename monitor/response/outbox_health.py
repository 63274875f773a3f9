"""How each receiver fares, in the database: every process that delivers reads and writes it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.breaker import Health
from alerts.pace import Pace
from alerts.types import Delivery, DeliveryOutcome
from monitor.store.database import insert
from monitor.store.tables import ReceiverRow


def locked(session: Session, receiver: str) -> ReceiverRow:
    """The receiver's row, made where there is none, held until the transaction ends."""
    row = session.get(ReceiverRow, receiver, with_for_update=True, populate_existing=True)
    if row is not None:
        return row
    values = {"receiver": receiver, "failures": 0, "last_error": "", "sent": 0}
    session.execute(insert(session, ReceiverRow).values(values).on_conflict_do_nothing())
    return session.get_one(ReceiverRow, receiver, with_for_update=True, populate_existing=True)


def all_of(session: Session) -> dict[str, ReceiverRow]:
    """Receiver -> its row; one that was never tried has none."""
    rows = session.scalars(select(ReceiverRow).order_by(ReceiverRow.receiver))
    return {row.receiver: row for row in rows}


def health_of(row: ReceiverRow | None) -> Health:
    if row is None:
        return Health()
    return Health(failures=row.failures, open_until=row.open_until, down_since=row.down_since)


def keep_health(row: ReceiverRow, health: Health) -> None:
    row.failures, row.open_until = health.failures, health.open_until
    row.down_since = health.down_since


def pace_of(row: ReceiverRow) -> Pace:
    return Pace(since=row.counted_since, sent=row.sent)


def keep_pace(row: ReceiverRow, pace: Pace) -> None:
    row.counted_since, row.sent = pace.since, pace.sent


def note_attempt(row: ReceiverRow, delivery: Delivery, now: datetime) -> None:
    """Remember what the last attempt told, for people to read."""
    if delivery.outcome is DeliveryOutcome.DELIVERED:
        row.last_delivered_at, row.last_error = now, ""
    else:
        row.last_error = delivery.error
