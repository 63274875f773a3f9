"""The page of deliveries, from the outbox and the receivers' health."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from alerts.delivery import OutboxState
from dashboards.console.deliveriesview import DeliveriesView, LetterLine, ReceiverLine
from monitor.response.letters import letters, standings
from monitor.settings.schema import Settings
from monitor.store.tables import OutboxRow

_SHOWN = 50
_OPEN = (OutboxState.WAITING.value, OutboxState.DEAD.value)


def deliveries_page(session: Session, settings: Settings, now: datetime) -> DeliveriesView:
    lately = session.scalars(
        select(OutboxRow)
        .options(defer(OutboxRow.message))
        .where(OutboxRow.state.not_in(_OPEN))
        .order_by(OutboxRow.id.desc())
        .limit(20)
    )
    return DeliveriesView(
        receivers=tuple(
            ReceiverLine(
                receiver=one.receiver,
                kind=one.kind,
                state=one.state,
                down_since=one.down_since,
                next_try_at=one.open_until,
                last_delivered_at=one.last_delivered_at,
                last_error=one.last_error,
                waiting=one.waiting,
                dead=one.dead,
                fallback=one.fallback,
                per_minute=one.per_minute,
            )
            for one in standings(session, settings.receivers, now=now)
        ),
        dead=tuple(map(_line, letters(session, state="dead", limit=_SHOWN))),
        waiting=tuple(map(_line, letters(session, state="waiting", limit=_SHOWN))),
        lately=tuple(map(_line, lately)),
    )


def _line(row: OutboxRow) -> LetterLine:
    return LetterLine(
        id=row.id,
        receiver=row.receiver,
        incident_id=row.incident_id,
        event=row.event,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        next_attempt_at=row.next_attempt_at if row.state == _OPEN[0] else None,
        error=row.last_error,
        reason=row.reason,
    )
