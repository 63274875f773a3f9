"""Says again what some receivers would forget: an alert that nobody repeats ends at Alertmanager.

What a receiver was told last is what it is reminded of: as long as the incident is open, and of a
resolve for five minutes. Nothing is composed anew and no one is told twice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from alerts.delivery import OutboxState
from alerts.notifiers.protocol import Forgetful, Notifier, Told
from alerts.types import Delivery, DeliveryOutcome, IncidentState, Message, MessageEvent
from monitor.services import Services
from monitor.store.tables import IncidentRow, OutboxRow

log = logging.getLogger("vigil.reminders")

EVERY_S = 60.0
RESOLVED_FOR_S = 300.0


class Reminders:
    """Reminds those of ``notifiers`` that forget."""

    def __init__(self, services: Services, notifiers: Mapping[str, Notifier]) -> None:
        self._services = services
        self._forgetful = {
            name: each for name, each in notifiers.items() if isinstance(each, Forgetful)
        }
        self._failed: set[str] = set()

    def run_due(self) -> int:
        """Remind each receiver once. Returns of how many incidents."""
        now, reminded = self._services.clock.now(), 0
        for name, notifier in self._forgetful.items():
            with self._services.sessions() as session:
                told = _told(session, name, now=now)
            if not told:
                continue
            delivery = _remind(notifier, told)
            if delivery.outcome is DeliveryOutcome.DELIVERED:
                reminded += len(told)
                self._failed.discard(name)
            elif name not in self._failed:
                log.warning("%s can't be reminded, tried again: %s", name, delivery.error)
                self._failed.add(name)
        return reminded


def _told(session: Session, receiver: str, *, now: datetime) -> list[Told]:
    """The latest message of each incident that the receiver took and still has to know."""
    latest = (
        select(func.max(OutboxRow.id))
        .where(
            OutboxRow.receiver == receiver,
            OutboxRow.incident_id.is_not(None),
            OutboxRow.state == OutboxState.DELIVERED.value,
        )
        .group_by(OutboxRow.incident_id)
    )
    resolve = MessageEvent.RESOLVE.value
    wanted = or_(
        and_(OutboxRow.event != resolve, IncidentRow.state != IncidentState.RESOLVED.value),
        and_(
            OutboxRow.event == resolve,
            OutboxRow.delivered_at > now - timedelta(seconds=RESOLVED_FOR_S),
        ),
    )
    rows = session.scalars(
        select(OutboxRow)
        .join(IncidentRow, IncidentRow.id == OutboxRow.incident_id)
        .where(OutboxRow.id.in_(latest), wanted)
        .order_by(OutboxRow.id)
    )
    return [known for row in rows if (known := _known(row)) is not None]


def _known(row: OutboxRow) -> Told | None:
    """None where it can't be read: the others are said all the same."""
    try:
        return Told(
            message=Message.from_json(row.message),
            receipt={str(key): str(value) for key, value in row.receipt.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        log.warning("message %d can't be read, so nobody is reminded of it", row.id)
        return None


def _remind(notifier: Forgetful, told: Sequence[Told]) -> Delivery:
    try:
        return notifier.remind(told)
    except Exception as error:  # a notifier must not stop the others
        log.exception("receiver %s failed", notifier.name)
        return Delivery(outcome=DeliveryOutcome.UNCLEAR, error=f"unexpected {type(error).__name__}")
