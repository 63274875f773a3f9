"""Puts what waits for a receiver into one message, and closes that once all of it is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from alerts.delivery import OutboxState
from alerts.summary import SummaryLine, all_over, summary
from alerts.types import Incident, IncidentState, Message, MessageEvent
from monitor.store import installation
from monitor.store.tables import IncidentRow, OutboxRow

log = logging.getLogger("vigil.outbox")

SUMMARY = "summary"
_WAITING = OutboxState.WAITING.value
_ANY = (MessageEvent.TRIGGER.value, MessageEvent.UPDATE.value)
_UNTOLD = (MessageEvent.ACKNOWLEDGE.value, MessageEvent.RESOLVE.value)
_WATCHED = timedelta(days=30)
_MOST = 1000


def of_waiting(
    session: Session, receiver: str, *, now: datetime, base_url: str, per_minute: int | None = None
) -> OutboxRow | None:
    """A row that stands for all that is due; None where fewer than two can be put together.

    Left out, to go by themselves: what may have arrived already, and the acknowledgement or resolve
    of an incident that the receiver was told of, which keyed receivers need one by one.
    """
    rows = [row for row in _due(session, receiver, now) if row.incident_id is not None]
    told = _told(session, receiver, {row.incident_id for row in rows if row.incident_id})
    rows = [
        row
        for row in rows
        if row.event in _ANY or (row.event in _UNTOLD and row.incident_id not in told)
    ]
    if len(rows) < 2:
        return None
    lines = _lines(session, rows)
    installed = installation.of(session)
    key = f"vigil-{installed}-summary-{receiver}-{rows[0].id}-{rows[-1].id}"
    message = summary(
        lines,
        key=key,
        id=key,
        messages=len(rows),
        per_minute=per_minute,
        base_url=base_url,
        installation=installed,
        now=now,
    )
    made = OutboxRow(
        dedup_key=key,
        receiver=receiver,
        incident_id=None,
        event=SUMMARY,
        message=message.to_json(),
        state=_WAITING,
        attempts=0,
        created_at=min(row.created_at for row in rows),
        next_attempt_at=now,
        receipt={
            "incidents": sorted({line.incident.id for line in lines}),
            "pages": sorted(
                {
                    row.incident_id
                    for row in rows
                    if row.incident_id and row.event == MessageEvent.TRIGGER.value
                }
            ),
        },
        reason=f"{len(rows)} messages at once",
    )
    session.add(made)
    session.flush()
    for row in rows:
        row.state = OutboxState.SUMMARISED.value
        row.last_error = f"told in message {made.id}"
    session.flush()
    return made


def _due(session: Session, receiver: str, now: datetime) -> Sequence[OutboxRow]:
    return session.scalars(
        select(OutboxRow)
        .options(defer(OutboxRow.message))
        .where(
            OutboxRow.receiver == receiver,
            OutboxRow.state == _WAITING,
            OutboxRow.next_attempt_at <= now,
            OutboxRow.attempted_at.is_(None),
        )
        .order_by(OutboxRow.id)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
    ).all()


def _told(session: Session, receiver: str, incidents: set[int]) -> set[int]:
    """Those of which the receiver took a message, or may have taken one."""
    found = session.scalars(
        select(OutboxRow.incident_id).where(
            OutboxRow.receiver == receiver,
            OutboxRow.incident_id.in_(incidents),
            (OutboxRow.state == OutboxState.DELIVERED.value)
            | ((OutboxRow.state == _WAITING) & OutboxRow.attempted_at.is_not(None)),
        )
    )
    return {one for one in found if one is not None}


def _lines(session: Session, rows: Sequence[OutboxRow]) -> list[SummaryLine]:
    events: dict[int, list[str]] = {}
    for row in rows:
        if row.incident_id is not None:
            events.setdefault(row.incident_id, []).append(row.event)
    found = session.scalars(
        select(IncidentRow).where(IncidentRow.id.in_(events)).order_by(IncidentRow.id)
    )
    return [
        SummaryLine(incident=Incident.from_columns(row), told=tuple(events[row.id]))
        for row in found
    ]


def finished(session: Session, *, now: datetime) -> list[int]:
    """The summaries that were delivered and whose incidents are all resolved."""
    rows = session.execute(
        select(OutboxRow.id, OutboxRow.receipt).where(
            OutboxRow.event == SUMMARY,
            OutboxRow.state == OutboxState.DELIVERED.value,
            OutboxRow.created_at > now - _WATCHED,
        )
    )
    return [
        number
        for number, receipt in rows
        if not receipt.get("closed") and _all_resolved(session, receipt.get("incidents", ()))
    ]


def close(session: Session, summary_id: int, *, now: datetime) -> None:
    """Queue the resolve of a summary, once."""
    row = session.get_one(OutboxRow, summary_id, with_for_update=True, populate_existing=True)
    if row.receipt.get("closed"):
        return
    row.receipt = {**row.receipt, "closed": True}
    try:
        told = Message.from_json(row.message)
    except (KeyError, TypeError, ValueError, AttributeError):
        log.exception("summary %d can't be read, so its end is not told", row.id)
        return
    message = all_over(told, id=f"{row.dedup_key}-resolve", now=now)
    session.add(
        OutboxRow(
            dedup_key=message.id,
            receiver=row.receiver,
            event=MessageEvent.RESOLVE.value,
            message=message.to_json(),
            state=_WAITING,
            created_at=now,
            next_attempt_at=now,
            receipt={"closes": row.id},
            reason=f"closes message {row.id}",
        )
    )
    session.flush()


def _all_resolved(session: Session, incidents: Sequence[int]) -> bool:
    still_open = select(IncidentRow.id).where(
        IncidentRow.id.in_(list(incidents)), IncidentRow.state != IncidentState.RESOLVED.value
    )
    return session.scalar(still_open.limit(1)) is None
