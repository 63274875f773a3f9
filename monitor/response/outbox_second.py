"""The second path: what a receiver does not take goes to its ``fallback``, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased, defer

from alerts.delivery import OutboxState
from alerts.types import Message, MessageEvent, TimelineEntry
from monitor.response import facts, record
from monitor.response import outbox_health as health
from monitor.response.outbox_summary import SUMMARY
from monitor.services import Services
from monitor.store.database import insert
from monitor.store.tables import OutboxRow, ReceiverRow

EVERY_S = 1.0
_OPEN = (OutboxState.WAITING.value, OutboxState.DEAD.value)
_CALLS = (MessageEvent.TRIGGER.value, SUMMARY)
"""What must reach somebody. What follows goes where the fallback was told of the incident."""

_LOOK_BACK = timedelta(days=2)
_MOST = 200


class SecondPath:
    """Copies messages to fallbacks, each once, whichever process does it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._fallbacks = {
            name: receiver.fallback
            for name, receiver in services.settings.receivers.items()
            if receiver.fallback is not None
        }
        self._looked: datetime | None = None

    def run_due(self) -> int:
        """Look at the receivers that have a fallback, once a second; returns how many went."""
        now = self._services.clock.now()
        looked = self._looked
        if not self._fallbacks or (looked and now - looked < timedelta(seconds=EVERY_S)):
            return 0
        self._looked = now
        with self._services.sessions() as session:
            if not any(True for _ in self._candidates(session, now)):
                return 0
        with self._services.sessions.begin() as session:
            return sum(
                self._copy(session, row, why, now)
                for row, why in list(self._candidates(session, now))
            )

    def _candidates(self, session: Session, now: datetime) -> Iterator[tuple[OutboxRow, str]]:
        """Messages that are not where they should be and have no substitute, with the reason."""
        fares = health.all_of(session)
        copy = aliased(OutboxRow)
        rows = session.scalars(
            select(OutboxRow)
            .options(defer(OutboxRow.message))
            .where(
                OutboxRow.receiver.in_(self._fallbacks),
                OutboxRow.state.in_(_OPEN),
                OutboxRow.event != MessageEvent.TEST.value,
                OutboxRow.created_at > now - _LOOK_BACK,
                ~select(copy.id).where(copy.fallback_of == OutboxRow.id).exists(),
            )
            .order_by(OutboxRow.id)
            .limit(_MOST)
        )
        for row in rows:
            why = self._why(row, fares.get(row.receiver), now)
            if why and self._concerns(session, row):
                yield row, why

    def _why(self, row: OutboxRow, fares: ReceiverRow | None, now: datetime) -> str:
        """Empty where the receiver may still take it in time."""
        if row.state == OutboxState.DEAD.value:
            return f"{row.receiver} did not take it: {row.last_error}"
        known = health.health_of(fares)
        if fares is not None and known.is_down and known.down_since is not None:
            since = f"{known.down_since:%Y-%m-%d %H:%M} UTC"
            return f"{row.receiver} is down since {since}: {fares.last_error}"
        late_s = self._services.settings.heartbeat.outbox_late_after_s
        if row.event in _CALLS and now - row.created_at > timedelta(seconds=late_s):
            return f"{row.receiver} has not taken it for {late_s:g} s"
        if row.event == MessageEvent.RESOLVE.value:
            return f"{row.receiver} has not taken it yet"
        return ""

    def _concerns(self, session: Session, row: OutboxRow) -> bool:
        """Whether the fallback should get it: it has not been told of the same by itself, and it
        knows of the incident where the message only follows up. So whatever is opened by the
        second path is closed, also where the end was written before it was opened."""
        if row.incident_id is None:
            return row.event in _CALLS
        theirs = session.execute(
            select(OutboxRow.event, OutboxRow.created_at).where(
                OutboxRow.receiver == self._fallbacks[row.receiver],
                OutboxRow.incident_id == row.incident_id,
            )
        ).all()
        if any(event == row.event and at == row.created_at for event, at in theirs):
            return False
        if row.event in _CALLS:
            return True
        return self._fallbacks[row.receiver] in facts.told(session, row.incident_id)

    def _copy(self, session: Session, row: OutboxRow, why: str, now: datetime) -> int:
        fallback = self._fallbacks[row.receiver]
        reason = f"second path: {why}"
        name = f"{row.dedup_key}-via-{fallback}"[:250]
        try:
            message = Message.from_json(row.message)
        except (KeyError, TypeError, ValueError, AttributeError):
            return 0  # damaged: vigil's own watch tells of it
        told = f"Told you, as the second path: {why}."
        values = {
            "dedup_key": name,
            "receiver": fallback,
            "incident_id": row.incident_id,
            "event": row.event,
            "message": replace(message, id=name, done=(*message.done, told)).to_json(),
            "state": OutboxState.WAITING.value,
            "attempts": 0,
            "created_at": row.created_at,
            "next_attempt_at": now,
            "last_error": "",
            "receipt": {k: v for k, v in row.receipt.items() if k in ("incidents", "pages")},
            "reason": reason,
            "fallback_of": row.id,
        }
        statement = insert(session, OutboxRow).values(values).on_conflict_do_nothing()
        made = session.scalar(statement.returning(OutboxRow.id))
        if made is None:
            return 0
        if row.incident_id is not None and row.event == MessageEvent.TRIGGER.value:
            entry = TimelineEntry(
                at=now,
                kind="second_path",
                actor="vigil",
                text=f"Second path: {fallback} is told, as {why}.",
                data={"receiver": row.receiver, "fallback": fallback, "message": row.id},
            )
            record.note(session, row.incident_id, entry)
        return 1
