"""What an attempt came to, written down: the row, the receiver's health, the incident's page."""

from __future__ import annotations

import logging
from datetime import datetime
from threading import Lock

import numpy as np
from sqlalchemy.orm import Session, defer

from alerts import incidents
from alerts.delivery import OutboxState, next_step
from alerts.types import AlertKind, Delivery, DeliveryOutcome, MessageEvent
from monitor.response import outbox_health as health
from monitor.response import record, told
from monitor.response.outbox_claim import Claim
from monitor.response.outbox_summary import SUMMARY
from monitor.services import Services
from monitor.store.commit import once_committed
from monitor.store.tables import OutboxRow
from vigil.errors import ConflictError

log = logging.getLogger("vigil.outbox")

_MARK = "vigil: "
"""Begins an error that is ours, not the receiver's."""


def our_fault(text: str) -> Delivery:
    """A message that can't be sent, whoever receives it."""
    return Delivery(outcome=DeliveryOutcome.FAILED, error=_MARK + text)


class Settler:
    """``silent`` receivers wake nobody: an incident is paged when another one has it."""

    def __init__(
        self, services: Services, *, silent: frozenset[str], rng: np.random.Generator
    ) -> None:
        self._services = services
        self._silent = silent
        self._rng, self._drawing = rng, Lock()

    def settle(self, claim: Claim, delivery: Delivery, *, counts: bool = True) -> None:
        """Write down what came of a claim. ``counts``: it says something of the receiver."""
        for _ in range(3):
            try:
                self._write(claim, delivery, counts=counts)
                return
            except ConflictError:
                continue
        self._write(claim, delivery, counts=counts, move_incident=False)

    def _write(
        self, claim: Claim, delivery: Delivery, *, counts: bool, move_incident: bool = True
    ) -> None:
        now = self._services.clock.now()
        with self._services.sessions.begin() as session:
            receiver = session.get_one(
                OutboxRow, claim.row_id, options=[defer(OutboxRow.message)]
            ).receiver
            if counts:
                fares = health.locked(session, receiver)
                with self._drawing:
                    known = health.health_of(fares).after(delivery, now=now, rng=self._rng)
                if known.is_down and known.failures > fares.failures == 0:
                    log.warning("receiver %s is down: %s", receiver, delivery.error)
                health.keep_health(fares, known)
                health.note_attempt(fares, delivery, now)
            row = session.get_one(
                OutboxRow,
                claim.row_id,
                options=[defer(OutboxRow.message)],
                with_for_update=True,
                populate_existing=True,
            )
            if not self._is_ours(row, claim, delivery):
                return
            self._move(row, claim, delivery, now)
            if move_incident and row.state == OutboxState.DELIVERED.value:
                self._paged(session, row, now)
            told.note(session, row, now)
        self._services.metrics.count(
            "vigil_pages_total", receiver=receiver, outcome=delivery.outcome.value
        )

    @staticmethod
    def _is_ours(row: OutboxRow, claim: Claim, delivery: Delivery) -> bool:
        """Our claim may have run out, and another has tried since, or a person dropped it. That it
        arrived is news in any case."""
        if row.state == OutboxState.DELIVERED.value:
            return False
        if delivery.outcome is DeliveryOutcome.DELIVERED:
            return True
        return row.state == OutboxState.WAITING.value and row.attempts == claim.attempt

    def _move(self, row: OutboxRow, claim: Claim, delivery: Delivery, now: datetime) -> None:
        with self._drawing:
            step = next_step(
                delivery,
                attempts=row.attempts,
                created_at=_since(row),
                now=now,
                rng=self._rng,
            )
        row.state = step.state.value
        row.receipt = {**row.receipt, **delivery.receipt}
        if step.state is OutboxState.DELIVERED:
            row.delivered_at, row.last_error = now, ""
        else:
            row.last_error = delivery.error
        if delivery.outcome is DeliveryOutcome.RETRY and not claim.unclear:
            row.attempted_at = None  # surely not there: the next attempt need not look
        if step.at is not None:
            row.next_attempt_at = step.at
        if step.state is OutboxState.DEAD:
            log.error("message %s to %s is dead: %s", row.dedup_key, row.receiver, step.reason)

    def _paged(self, session: Session, row: OutboxRow, now: datetime) -> None:
        if row.receiver in self._silent:
            return
        if row.event == SUMMARY:
            for incident_id in row.receipt.get("pages", ()):
                self._note_page(session, int(incident_id), row.receiver, now)
        elif row.event == MessageEvent.TRIGGER.value and row.incident_id is not None:
            self._note_page(session, row.incident_id, row.receiver, now)

    def _note_page(self, session: Session, incident_id: int, receiver: str, now: datetime) -> None:
        incident = record.get(session, incident_id)
        if incident.kind is AlertKind.BASELINE_DRIFT:
            return
        moved = incidents.page_sent(incident, at=now, receiver=receiver)
        if not moved.changed:
            return
        record.save(session, moved)
        if incident.onset_at:
            took = (now - incident.onset_at).total_seconds()
            metrics = self._services.metrics
            once_committed(
                session,
                lambda: metrics.observe("vigil_time_to_page_seconds", max(0.0, took)),
            )


def _since(row: OutboxRow) -> datetime:
    """From when its day of attempts counts: from when a person sent it again, where one did."""
    again = row.receipt.get("resent_at")
    try:
        return datetime.fromisoformat(str(again)) if again else row.created_at
    except ValueError:
        return row.created_at
