"""Messages as people see them: what waits, what is dead, and how the receivers fare.

Every change is audited with its actor, in the transaction of the session that it is given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from alerts.breaker import Gate
from alerts.delivery import OutboxState
from alerts.types import MessageEvent
from monitor.response import outbox_health as health
from monitor.settings.receivers import Receiver
from monitor.store import audit
from monitor.store.tables import OutboxRow
from vigil.errors import ConflictError, NotFoundError, VigilError

_STATES = {Gate.CLOSED: "up", Gate.BUSY: "busy", Gate.OPEN: "down", Gate.HALF_OPEN: "trying"}
_WAITING, _DEAD = OutboxState.WAITING.value, OutboxState.DEAD.value


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiverStanding:
    """How one receiver fares. ``state``: up, busy (it asked us to wait), down, trying (down, and
    about to be tried); ``waiting`` and ``dead`` count messages."""

    receiver: str
    kind: str
    state: str
    failures: int
    down_since: datetime | None
    open_until: datetime | None
    last_delivered_at: datetime | None
    last_error: str
    waiting: int
    dead: int
    fallback: str
    per_minute: int | None


def letters(
    session: Session, *, state: str | None = None, receiver: str | None = None, limit: int = 100
) -> Sequence[OutboxRow]:
    """Messages of a state, newest first; those that wait and those that are dead where none is
    given."""
    query = select(OutboxRow).options(defer(OutboxRow.message)).limit(limit)
    if state is None:
        query = query.where(OutboxRow.state.in_((_WAITING, _DEAD)))
    else:
        query = query.where(OutboxRow.state == _state(state))
    if receiver is not None:
        query = query.where(OutboxRow.receiver == receiver)
    return session.scalars(query.order_by(OutboxRow.id.desc())).all()


def standings(
    session: Session, receivers: dict[str, Receiver], *, now: datetime
) -> list[ReceiverStanding]:
    """Every receiver of the settings, and those that messages still wait for."""
    counts: dict[tuple[str, str], int] = {
        (receiver, state): number
        for receiver, state, number in session.execute(
            select(OutboxRow.receiver, OutboxRow.state, func.count())
            .where(OutboxRow.state.in_((_WAITING, _DEAD)))
            .group_by(OutboxRow.receiver, OutboxRow.state)
        )
    }
    fares = health.all_of(session)
    found = []
    for name in sorted({*receivers, *(receiver for receiver, _ in counts)}):
        row, known = fares.get(name), receivers.get(name)
        standing = health.health_of(row)
        found.append(
            ReceiverStanding(
                receiver=name,
                kind=known.kind if known else "not configured",
                state=_STATES[standing.gate(now)],
                failures=standing.failures,
                down_since=standing.down_since,
                open_until=standing.open_until,
                last_delivered_at=row.last_delivered_at if row else None,
                last_error=row.last_error if row else "",
                waiting=counts.get((name, _WAITING), 0),
                dead=counts.get((name, _DEAD), 0),
                fallback=(known.fallback or "") if known else "",
                per_minute=known.per_minute if known else None,
            )
        )
    return found


def resend(session: Session, row_id: int, *, actor: str, at: datetime) -> OutboxRow:
    """Try a dead message again, for another day; with a trigger the resolve that followed it, so
    that what it opens is closed again.

    Raises:
        NotFoundError: no such message.
        ConflictError: it is not dead.
    """
    row = _row(session, row_id)
    if row.state != _DEAD:
        raise ConflictError(f"message {row_id}: only a dead one is sent again, it is {row.state}")
    _again(row, at)
    if row.event == MessageEvent.TRIGGER.value and row.incident_id is not None:
        for later in session.scalars(
            select(OutboxRow)
            .options(defer(OutboxRow.message))
            .where(
                OutboxRow.receiver == row.receiver,
                OutboxRow.incident_id == row.incident_id,
                OutboxRow.event == MessageEvent.RESOLVE.value,
                OutboxRow.id > row.id,
                OutboxRow.state != _WAITING,
            )
        ):
            _again(later, at)
    _audit(session, row, "sent again", actor, at)
    return row


def resend_all(session: Session, *, receiver: str | None, actor: str, at: datetime) -> int:
    """Try every dead message again, of one receiver or of all; returns how many."""
    query = select(OutboxRow.id).where(OutboxRow.state == _DEAD).order_by(OutboxRow.id)
    if receiver is not None:
        query = query.where(OutboxRow.receiver == receiver)
    numbers = session.scalars(query).all()
    for number in numbers:
        resend(session, number, actor=actor, at=at)
    return len(numbers)


def drop(session: Session, row_id: int, *, actor: str, at: datetime) -> OutboxRow:
    """Let a message go that nobody needs any more.

    Raises:
        NotFoundError: no such message.
        ConflictError: it is neither waiting nor dead.
    """
    row = _row(session, row_id)
    if row.state not in (_WAITING, _DEAD):
        raise ConflictError(f"message {row_id}: it can't be dropped, it is {row.state}")
    row.state = OutboxState.WITHDRAWN.value
    row.last_error = f"dropped by {actor}"
    _audit(session, row, "dropped", actor, at)
    return row


def _again(row: OutboxRow, at: datetime) -> None:
    row.state, row.attempts, row.next_attempt_at = _WAITING, 0, at
    row.receipt = {**row.receipt, "resent_at": at.isoformat()}


def _row(session: Session, row_id: int) -> OutboxRow:
    row = session.get(
        OutboxRow,
        row_id,
        options=[defer(OutboxRow.message)],
        with_for_update=True,
        populate_existing=True,
    )
    if row is None:
        raise NotFoundError(f"message {row_id}: there is none of that number")
    return row


def _state(state: str) -> str:
    if state not in set(OutboxState):
        raise VigilError(f"state: expected one of {', '.join(OutboxState)}, found {state!r}")
    return state


def _audit(session: Session, row: OutboxRow, what: str, actor: str, at: datetime) -> None:
    audit.record(
        session,
        what=f"message {what}",
        subject=f"message {row.id}",
        actor=actor,
        at=at,
        receiver=row.receiver,
        name=row.dedup_key,
    )
    session.flush()
