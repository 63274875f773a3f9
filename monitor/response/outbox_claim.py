"""Which message a receiver gets next: one that is due, in order, not overtaken, within its pace.

Claims are rows of the database: of several processes each message is tried by one at a time. A
claim runs out, so that the messages of a killed process are tried by another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased, defer

from alerts.breaker import Gate
from alerts.delivery import OutboxState
from alerts.pace import Turn
from alerts.types import MessageEvent
from monitor.response import outbox_health as health
from monitor.response import outbox_summary
from monitor.store.tables import OutboxRow

CLAIM_S = 60.0
"""For so long nobody else tries a message that someone is delivering."""

STALE_S = 60.0
"""What has waited for so long need not go where a resolve has overtaken it."""

_WAITING = OutboxState.WAITING.value
_PASSING = (MessageEvent.UPDATE.value, MessageEvent.ACKNOWLEDGE.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """One attempt at one message. ``attempt`` numbers it; ``unclear``: an earlier one may have
    arrived; ``thread``: the receipt of what the receiver took before of the same incident."""

    row_id: int
    attempt: int
    unclear: bool
    thread: Mapping[str, str]


def claim(
    session: Session, receiver: str, *, now: datetime, per_minute: int | None, base_url: str
) -> Claim | None:
    """The next message of a receiver, taken; None where none may go now."""
    fares = health.locked(session, receiver)
    known = health.health_of(fares)
    gate = known.gate(now)
    if not gate.lets_pass:
        return None
    row = _next(session, receiver, now)
    while row is not None and _overtaken(session, row, now):
        row = _next(session, receiver, now)
    if row is None:
        return None
    pace = health.pace_of(fares)
    turn = pace.turn(per_minute, now)
    if turn is Turn.WAIT:
        return None
    if turn is Turn.LAST and gate is Gate.CLOSED:
        made = outbox_summary.of_waiting(
            session, receiver, now=now, base_url=base_url, per_minute=per_minute
        )
        row = made or row
    if gate is Gate.HALF_OPEN:
        health.keep_health(fares, known.probing(now=now, for_s=CLAIM_S))
    health.keep_pace(fares, pace.counted(now))
    unclear = row.attempted_at is not None
    row.attempts += 1
    row.attempted_at = now
    row.next_attempt_at = now + timedelta(seconds=CLAIM_S)
    row.last_error = ""
    session.flush()
    return Claim(row_id=row.id, attempt=row.attempts, unclear=unclear, thread=_thread(session, row))


def _next(session: Session, receiver: str, now: datetime) -> OutboxRow | None:
    """The message that has been due for longest; none of its incident goes before an earlier one.

    What failed comes due later, so one message that fails again and again holds up no other.
    """
    earlier = aliased(OutboxRow)
    return session.scalar(
        select(OutboxRow)
        .options(defer(OutboxRow.message))
        .where(
            OutboxRow.receiver == receiver,
            OutboxRow.state == _WAITING,
            OutboxRow.next_attempt_at <= now,
            ~select(earlier.id)
            .where(
                earlier.state == _WAITING,
                earlier.receiver == OutboxRow.receiver,
                earlier.incident_id == OutboxRow.incident_id,
                earlier.id < OutboxRow.id,
            )
            .exists(),
        )
        .order_by(OutboxRow.next_attempt_at, OutboxRow.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _overtaken(session: Session, row: OutboxRow, now: datetime) -> bool:
    """Withdraw what a resolve made pointless while the receiver was away: an old update, or a
    trigger that its second path has taken. True where something was withdrawn."""
    stale = now - row.created_at > timedelta(seconds=STALE_S)
    if row.incident_id is None or row.attempted_at is not None or not stale:
        return False
    resolve = session.scalar(
        select(OutboxRow)
        .options(defer(OutboxRow.message))
        .where(
            OutboxRow.receiver == row.receiver,
            OutboxRow.incident_id == row.incident_id,
            OutboxRow.state == _WAITING,
            OutboxRow.event == MessageEvent.RESOLVE.value,
            OutboxRow.id > row.id,
        )
        .order_by(OutboxRow.id)
        .limit(1)
    )
    if resolve is None:
        return False
    if row.event in _PASSING and not _plain(row).get("change"):
        row.state, row.last_error = OutboxState.WITHDRAWN.value, "a resolve overtook it"
    elif row.event == MessageEvent.TRIGGER.value and not _told(session, row):
        substitute = session.scalar(
            select(OutboxRow.receiver).where(
                OutboxRow.fallback_of == row.id, OutboxRow.state == OutboxState.DELIVERED.value
            )
        )
        if substitute is None:
            return False
        why = f"over before it went; {substitute} was told instead"
        for each in (row, resolve):
            each.state, each.last_error = OutboxState.WITHDRAWN.value, why
    else:
        return False
    session.flush()
    return True


def _plain(row: OutboxRow) -> Mapping[str, Any]:
    try:
        return dict(row.message)
    except (TypeError, ValueError):  # damaged: the attempt will tell
        return {}


def _told(session: Session, row: OutboxRow) -> bool:
    """Whether the receiver took anything of the incident."""
    query = select(OutboxRow.id).where(
        OutboxRow.receiver == row.receiver,
        OutboxRow.incident_id == row.incident_id,
        OutboxRow.state == OutboxState.DELIVERED.value,
    )
    return session.scalar(query.limit(1)) is not None


def _thread(session: Session, row: OutboxRow) -> dict[str, str]:
    """The receipt of the latest message that the receiver took of the same incident, or of the
    summary that this one closes."""
    query = select(OutboxRow.receipt).where(
        OutboxRow.receiver == row.receiver, OutboxRow.state == OutboxState.DELIVERED.value
    )
    if row.incident_id is not None:
        query = query.where(OutboxRow.incident_id == row.incident_id)
    elif row.receipt.get("closes"):
        query = query.where(OutboxRow.id == int(row.receipt["closes"]))
    else:
        return {}
    receipt = session.scalar(query.order_by(OutboxRow.id.desc()).limit(1)) or {}
    return {str(k): str(v) for k, v in receipt.items() if isinstance(v, str | int | float)}
