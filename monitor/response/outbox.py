"""Delivers what is in the outbox: at least once, in order per incident and receiver.

Each receiver has a lane of its own, so that a slow one holds up no other. An attempt is written
down before it is made. If the process dies in the middle, the next attempt
knows that the first may have arrived, and the notifier looks before it repeats.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from threading import Lock

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from alerts import incidents
from alerts.delivery import OutboxState, next_step
from alerts.notifiers.protocol import Notifier
from alerts.types import AlertKind, Delivery, DeliveryOutcome, Message, MessageEvent
from monitor.response import record
from monitor.services import Services
from monitor.store.commit import once_committed
from monitor.store.tables import OutboxRow
from vigil.errors import ConflictError

log = logging.getLogger("vigil.outbox")

CLAIM_S = 60.0
"""For so long nobody else tries a message that someone is delivering."""

PATIENCE_S = 2.0
"""``deliver_due`` waits so long for its lanes; what is slower goes on without it."""

LANE_S = 10.0
"""A lane begins no attempt after so long, so that a service that ends need not wait for more."""


class Outbox:
    """Delivers messages through notifiers by receiver name.

    ``silent`` receivers wake nobody: an incident is paged when another one has it.
    """

    def __init__(
        self,
        services: Services,
        notifiers: Mapping[str, Notifier],
        *,
        silent: frozenset[str],
        rng: np.random.Generator,
    ) -> None:
        self._services = services
        self._notifiers = notifiers
        self._silent = silent
        self._rng, self._drawing = rng, Lock()
        self._lanes: dict[str, Future[int]] = {}
        self._threads = ThreadPoolExecutor(len(notifiers) + 1, thread_name_prefix="vigil-deliver")

    def deliver_due(self, *, most: int = 50) -> int:
        """Attempt what is due, at most ``most`` messages to each receiver.

        Returns the number of attempts of the lanes that ended, be they of an earlier call.
        """
        for receiver in self._due():
            if receiver not in self._lanes:
                self._lanes[receiver] = self._threads.submit(self._lane, receiver, most)
        wait(self._lanes.values(), timeout=PATIENCE_S)
        ended = [self._lanes.pop(name) for name in list(self._lanes) if self._lanes[name].done()]
        self._export()
        return sum(lane.result() for lane in ended)

    def _due(self) -> list[str]:
        with self._services.sessions() as session:
            waiting = select(OutboxRow.receiver).where(
                OutboxRow.state == OutboxState.WAITING.value,
                OutboxRow.next_attempt_at <= self._services.clock.now(),
            )
            return sorted(session.scalars(waiting.distinct()))

    def _lane(self, receiver: str, most: int) -> int:
        attempts, ends = 0, time.monotonic() + LANE_S
        while attempts < most and time.monotonic() < ends:
            claimed = self._claim(receiver)
            if claimed is None:
                break
            row_id, unclear, thread = claimed
            with self._services.sessions() as session:
                message = Message.from_json(session.get_one(OutboxRow, row_id).message)
            notifier = self._notifiers.get(receiver)
            if notifier is None:
                delivery = Delivery(
                    outcome=DeliveryOutcome.FAILED,
                    error=f"receiver {receiver} is no longer configured",
                )
            else:
                delivery = self._attempt(notifier, message, thread, unclear)
            self._settle(row_id, delivery, message.event, unclear=unclear)
            attempts += 1
        return attempts

    @staticmethod
    def _attempt(
        notifier: Notifier, message: Message, thread: Mapping[str, str], unclear: bool
    ) -> Delivery:
        try:
            return notifier.deliver(message, thread=thread, unclear=unclear)
        except Exception as error:  # a notifier must not stop the others
            log.exception("receiver %s failed", notifier.name)
            return Delivery(
                outcome=DeliveryOutcome.UNCLEAR, error=f"unexpected {type(error).__name__}"
            )

    def _claim(self, receiver: str) -> tuple[int, bool, dict[str, str]] | None:
        """The next message that may go: none of its incident goes before an earlier one."""
        now = self._services.clock.now()
        earlier = aliased(OutboxRow)
        with self._services.sessions.begin() as session:
            row = session.scalar(
                select(OutboxRow)
                .where(
                    OutboxRow.receiver == receiver,
                    OutboxRow.state == OutboxState.WAITING.value,
                    OutboxRow.next_attempt_at <= now,
                    ~select(earlier.id)
                    .where(
                        earlier.state == OutboxState.WAITING.value,
                        earlier.receiver == OutboxRow.receiver,
                        earlier.incident_id == OutboxRow.incident_id,
                        earlier.id < OutboxRow.id,
                    )
                    .exists(),
                )
                .order_by(OutboxRow.id)
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            if row is None:
                return None
            unclear = row.attempted_at is not None
            row.attempts += 1
            row.attempted_at = now
            row.next_attempt_at = now + timedelta(seconds=CLAIM_S)
            row.last_error = ""
            return row.id, unclear, _thread(session, row)

    def _settle(
        self, row_id: int, delivery: Delivery, event: MessageEvent, *, unclear: bool
    ) -> None:
        for _ in range(3):
            try:
                self._write(row_id, delivery, event, unclear=unclear)
                return
            except ConflictError:
                continue
        self._write(row_id, delivery, event, unclear=unclear, move_incident=False)

    def _write(
        self,
        row_id: int,
        delivery: Delivery,
        event: MessageEvent,
        *,
        unclear: bool,
        move_incident: bool = True,
    ) -> None:
        now = self._services.clock.now()
        with self._services.sessions.begin() as session:
            row = session.get_one(OutboxRow, row_id, with_for_update=True)
            with self._drawing:
                step = next_step(
                    delivery,
                    attempts=row.attempts,
                    created_at=row.created_at,
                    now=now,
                    rng=self._rng,
                )
            row.state = step.state.value
            row.receipt = {**row.receipt, **delivery.receipt}
            if step.state is OutboxState.DELIVERED:
                row.delivered_at = now
            else:
                row.last_error = delivery.error
            if delivery.outcome is DeliveryOutcome.RETRY and not unclear:
                row.attempted_at = None  # surely not there: the next attempt need not look
            if step.at is not None:
                row.next_attempt_at = step.at
            if step.state is OutboxState.DEAD:
                log.error("message %s to %s is dead: %s", row.dedup_key, row.receiver, step.reason)
            if move_incident:
                self._paged(session, row, event, now, delivered=step.state is OutboxState.DELIVERED)
        self._services.metrics.count(
            "vigil_pages_total", receiver=row.receiver, outcome=delivery.outcome.value
        )

    def _paged(
        self,
        session: Session,
        row: OutboxRow,
        event: MessageEvent,
        now: datetime,
        *,
        delivered: bool,
    ) -> None:
        if (
            not delivered
            or event is not MessageEvent.TRIGGER
            or row.incident_id is None
            or row.receiver in self._silent
        ):
            return
        incident = record.get(session, row.incident_id)
        if incident.kind is AlertKind.BASELINE_DRIFT:
            return
        moved = incidents.page_sent(incident, at=now, receiver=row.receiver)
        if moved.changed:
            record.save(session, moved)
            if incident.onset_at:
                took = (now - incident.onset_at).total_seconds()
                metrics = self._services.metrics
                once_committed(
                    session,
                    lambda: metrics.observe("vigil_time_to_page_seconds", max(0.0, took)),
                )

    def _export(self) -> None:
        with self._services.sessions() as session:
            waiting = session.scalar(
                select(func.count())
                .select_from(OutboxRow)
                .where(OutboxRow.state == OutboxState.WAITING.value)
            )
        self._services.metrics.gauge("vigil_outbox_waiting", float(waiting or 0))

    def resend(self, row_id: int) -> None:
        """Try a dead message again."""
        with self._services.sessions.begin() as session:
            session.execute(
                update(OutboxRow)
                .where(OutboxRow.id == row_id, OutboxRow.state == OutboxState.DEAD.value)
                .values(state=OutboxState.WAITING.value, next_attempt_at=self._services.clock.now())
            )


def _thread(session: Session, row: OutboxRow) -> dict[str, str]:
    """The receipt of the latest message of the incident that the receiver took."""
    if row.incident_id is None:
        return {}
    latest = session.scalar(
        select(OutboxRow)
        .where(
            OutboxRow.incident_id == row.incident_id,
            OutboxRow.receiver == row.receiver,
            OutboxRow.state == OutboxState.DELIVERED.value,
        )
        .order_by(OutboxRow.id.desc())
        .limit(1)
    )
    return {} if latest is None else {str(k): str(v) for k, v in latest.receipt.items()}
