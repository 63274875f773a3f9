"""Deletes what is older than the settings keep, in small steps that never hold a lock for long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from monitor.labelling import pictures
from monitor.settings.schema import Retention
from monitor.store.database import Sessions
from monitor.store.samples import SampleStore
from monitor.store.tables import (
    BoxLabelRow,
    CanaryRow,
    ControlRow,
    GateRow,
    InboundEventRow,
    IncidentRow,
    LabelRow,
    LabelTaskRow,
    LedgerIdRow,
    MarkRow,
    OutboxRow,
    RejectionRow,
    ServingSpanRow,
    SilenceRow,
    SourceRow,
    TickRow,
    WindowRow,
)

_STEP = 500
ORPHAN_AFTER = timedelta(hours=1)
INBOUND_KEPT = timedelta(days=30)
"""Providers send again for hours at most; what they call our incidents is kept longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Swept:
    """How much was deleted. ``orphans``: parts whose window never committed."""

    windows: int
    ledgers: int
    parts: int
    orphans: int
    ticks: int
    incidents: int
    labels: int


def sweep(sessions: Sessions, samples: SampleStore, keep: Retention, *, now: datetime) -> Swept:
    """One round of retention. Killed in the middle, the next round goes on.

    Labels and their tasks, ticks with their verdicts and points, resolved incidents with all that
    belongs to them, silences, canaries and controls that are over, gates, rejections and what
    served are kept ``history_days``, sources as long as windows, what label tasks look like as long
    as samples; the audit is kept for ever.
    """
    ledgers = _forget_ledgers(sessions, now - timedelta(days=keep.ledger_days))
    windows = _delete(sessions, WindowRow, WindowRow.end_at < now - _days(keep.windows_days))
    parts, orphans = _sweep_parts(sessions, samples, keep, now)
    old = now - _days(keep.history_days)
    swept = Swept(
        windows=windows,
        ledgers=ledgers,
        parts=parts,
        orphans=orphans,
        ticks=_delete(sessions, TickRow, TickRow.end_at < old),
        incidents=_delete(sessions, IncidentRow, IncidentRow.resolved_at < old),
        labels=_delete(sessions, LabelRow, LabelRow.arrived_at < old),
    )
    _delete(sessions, BoxLabelRow, BoxLabelRow.arrived_at < old)
    _delete(sessions, InboundEventRow, InboundEventRow.received_at < now - INBOUND_KEPT)
    _delete(
        sessions,
        OutboxRow,
        (OutboxRow.state != "waiting")
        & (OutboxRow.created_at < old)
        & OutboxRow.incident_id.is_(None),
    )
    _delete(sessions, SilenceRow, SilenceRow.ends_at < old)
    _delete(sessions, CanaryRow, CanaryRow.ended_at < old)
    _delete(sessions, GateRow, GateRow.at < old)
    over = ControlRow.state.in_(("done", "failed", "refused"))
    _delete(sessions, ControlRow, over & (ControlRow.updated_at < old))
    _delete(sessions, ServingSpanRow, ServingSpanRow.last_at < old)
    _delete(sessions, MarkRow, (MarkRow.at < old) & (MarkRow.state != "waiting"))
    _delete_pictures(sessions, samples, now - _days(keep.samples_days))
    _delete(sessions, LabelTaskRow, LabelTaskRow.picked_at < old)
    with sessions.begin() as session:
        session.execute(delete(RejectionRow).where(RejectionRow.hour < old))
        silent = now - _days(keep.windows_days)
        session.execute(delete(SourceRow).where(SourceRow.last_window_at < silent))
    return swept


def _days(days: float) -> timedelta:
    return timedelta(days=days)


def _delete(sessions: Sessions, table: Any, condition: Any) -> int:
    """Delete rows, a few at a time, oldest first; returns how many."""

    def step(session: Session) -> int:
        ids = session.scalars(
            select(table.id).where(condition).order_by(table.id).limit(_STEP)
        ).all()
        if ids:
            session.execute(delete(table).where(table.id.in_(ids)))
        return len(ids)

    return _repeat(sessions, step)


def _forget_ledgers(sessions: Sessions, before: datetime) -> int:
    def step(session: Session) -> int:
        ids = session.scalars(
            select(WindowRow.id)
            .where(WindowRow.end_at < before, WindowRow.ledger.is_not(None))
            .order_by(WindowRow.id)
            .limit(_STEP)
        ).all()
        if ids:
            session.execute(delete(LedgerIdRow).where(LedgerIdRow.window_id.in_(ids)))
            session.execute(update(WindowRow).where(WindowRow.id.in_(ids)).values(ledger=None))
        return len(ids)

    return _repeat(sessions, step)


def _delete_pictures(sessions: Sessions, samples: SampleStore, before: datetime) -> None:
    """Of batches that were picked so long ago."""
    with sessions() as session:
        batches = session.scalars(
            select(LabelTaskRow.batch)
            .where(LabelTaskRow.picked_at < before, LabelTaskRow.looks != "")
            .distinct()
        ).all()
    for batch in batches:
        pictures.delete(samples, batch)
        with sessions.begin() as session:
            session.execute(
                update(LabelTaskRow).where(LabelTaskRow.batch == batch).values(looks="")
            )


def _repeat(sessions: Sessions, step: Callable[[Session], int]) -> int:
    total = 0
    while True:
        with sessions.begin() as session:
            done = step(session)
        total += done
        if done < _STEP:
            return total


def _sweep_parts(
    sessions: Sessions, samples: SampleStore, keep: Retention, now: datetime
) -> tuple[int, int]:
    """Parts that are too old, and those that no window names."""
    oldest = now - _days(keep.samples_days)
    written = {part: part_time(part) for part in samples.parts()}
    expired = [part for part, at in written.items() if at is not None and at < oldest]
    with sessions.begin() as session:
        for first in range(0, len(expired), _STEP):
            session.execute(
                update(WindowRow)
                .where(WindowRow.sample_part.in_(expired[first : first + _STEP]))
                .values(sample_part=None)
            )
    with sessions() as session:
        used = set(session.scalars(select(WindowRow.sample_part).distinct()))
    orphans = [
        part
        for part, at in written.items()
        if part not in used and at is not None and oldest <= at < now - ORPHAN_AFTER
    ]
    for part in (*expired, *orphans):
        samples.delete(part)
    return len(expired), len(orphans)


def part_time(part: str) -> datetime | None:
    """When a part was written, by its name ``YYYY-MM-DD/HHMMSS-id.parquet``; None: not ours."""
    try:
        moment = datetime.strptime(part[:17], "%Y-%m-%d/%H%M%S")
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC)
