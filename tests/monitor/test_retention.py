"""What is old goes, what is young stays, and one record can be forgotten everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
import stored
from incident_rows import incident_row, task_row
from sqlalchemy import func, select

from monitor.forget import Forgotten, forget
from monitor.ingest.labels import find_predictions
from monitor.ingest.receipts import LabelIn
from monitor.retention import part_time, sweep
from monitor.services import Services
from monitor.settings.schema import Retention
from monitor.store.tables import (
    ActionRow,
    AuditRow,
    IncidentRow,
    LabelRow,
    LabelTaskRow,
    LedgerIdRow,
    TickRow,
    TimelineRow,
    VerdictRow,
    WindowRow,
)

KEEP = Retention(windows_days=30, samples_days=14, ledger_days=20, history_days=365)


def count(services: Services, *tables: type) -> list[int]:
    with services.sessions() as session:
        return [session.scalar(select(func.count()).select_from(one)) or 0 for one in tables]


def send(services: Services, *ages_days: float, ids: Sequence[str] = ()) -> None:
    """One window for each age, received at its end."""
    clock, now = services.clock, services.clock.now()
    for i, age in enumerate(ages_days):
        clock.advance(-age * 86400)  # type: ignore[attr-defined]
        window = stored.window(i, end=clock.now(), ids=[f"{one}-{i}" for one in ids])
        (receipt,) = services.ingest.windows([window.to_bytes()])
        assert receipt.status == "accepted"
        clock.advance((now - clock.now()).total_seconds())  # type: ignore[attr-defined]


def test_old_windows_ledgers_and_samples_go(services: Services) -> None:
    """Each by its own limit; what remains can still be read."""
    send(services, 0, 15, 25, 31, ids="abcdefghi")
    swept = sweep(services.sessions, services.samples, KEEP, now=services.clock.now())
    assert (swept.windows, swept.ledgers, swept.parts, swept.orphans) == (1, 2, 3, 0)
    assert count(services, WindowRow, LedgerIdRow) == [3, 18]
    assert len(services.samples.parts()) == 1
    with services.sessions() as session:
        rows = session.scalars(select(WindowRow).order_by(WindowRow.sequence)).all()
        assert [bool(row.sample_part) for row in rows] == [True, False, False]
        assert set(find_predictions(session, ["a-0", "a-1", "a-2"])) == {"a-0", "a-1"}


def test_sweep_again_finds_nothing(services: Services) -> None:
    """A round that was done is done."""
    send(services, 0, 31)
    now = services.clock.now()
    sweep(services.sessions, services.samples, KEEP, now=now)
    again = sweep(services.sessions, services.samples, KEEP, now=now)
    assert (again.windows, again.ledgers, again.parts, again.ticks) == (0, 0, 0, 0)


def test_orphan_part_is_swept_after_an_hour(services: Services) -> None:
    """A part whose window never committed goes, but not while its request may still run."""
    send(services, 0)
    services.samples.write("2026-11-20/115000-lost.parquet", [stored.window(7)])
    services.samples.write("somebody-elses.parquet", [stored.window(8)])
    now = services.clock.now()
    assert sweep(services.sessions, services.samples, KEEP, now=now).orphans == 0
    later = now + timedelta(hours=1)
    assert sweep(services.sessions, services.samples, KEEP, now=later).orphans == 1
    assert len(services.samples.parts()) == 2


def test_history_goes_with_what_belongs_to_it(services: Services) -> None:
    """Old ticks take their verdicts along, resolved incidents their timeline; open ones stay."""
    old, new = stored.NOON - timedelta(days=366), stored.NOON
    with services.sessions.begin() as session:
        for end in (old, new):
            tick = TickRow(
                end_at=end, started_at=end, duration_ms=1, windows=1, streams=1, holder="h"
            )
            session.add(tick)
            session.flush()
            session.add(verdict(tick.id, end))
        for resolved in (old, None):
            incident = incident_row(old, state="resolved", resolved_at=resolved)
            session.add(incident)
            session.flush()
            session.add(
                TimelineRow(incident_id=incident.id, at=old, kind="x", actor="a", text="", data={})
            )
    swept = sweep(services.sessions, services.samples, KEEP, now=stored.NOON)
    assert (swept.ticks, swept.incidents) == (1, 1)
    assert count(services, TickRow, VerdictRow, IncidentRow, TimelineRow) == [1, 1, 1, 1]


def verdict(tick_id: int, at: datetime) -> VerdictRow:
    return VerdictRow(
        tick_id=tick_id,
        at=at,
        check="evidence",
        model="digits",
        version="v1",
        deployment="production",
        slice="",
        signal="confidence",
        outcome="drifted",
        score=1.0,
        evidence=2.0,
        reason="r",
    )


def queue_for_labelling(services: Services, record_id: str) -> int:
    with services.sessions.begin() as session:
        incident = incident_row(stored.NOON, state="resolved")
        session.add(incident)
        session.flush()
        action = ActionRow(
            incident_id=incident.id,
            kind="relabel",
            state="done",
            plan={},
            plan_hash="h",
            created_at=stored.NOON,
            updated_at=stored.NOON,
        )
        session.add(action)
        session.flush()
        session.add(
            task_row(
                action_id=action.id, record_id=record_id, state="queued", external_id="batch/0001"
            )
        )
        return action.id


@pytest.mark.parametrize("chosen", [False, True])
def test_record_is_forgotten_everywhere(services: Services, chosen: bool) -> None:
    """Ledger, sample, label and re-label queue lose it; the neighbours stay; the sum stays."""
    window = stored.window(1, sampled=5, ids=[f"record-{n}" for n in range(9)] if chosen else ())
    services.ingest.windows([window.to_bytes()])
    gone, stays = window.sample.ids[0], window.sample.ids[1]
    services.ingest.labels([LabelIn(id=gone, label=1), LabelIn(id=stays, label=1)])
    queue_for_labelling(services, gone)
    assert forget(services, gone, actor="ann") == Forgotten(
        ledger=True, sampled=2, labels=1, tasks=1
    )
    with services.sessions() as session:
        assert set(find_predictions(session, [gone, stays])) == {stays}
        assert session.scalars(select(LabelRow.record_id)).all() == [stays]
        task = session.scalars(select(LabelTaskRow)).one()
        assert (task.state, gone in task.record_id, task.data) == ("withdrawing", False, {})
        row = session.scalars(select(WindowRow)).one()
        audited = session.scalars(select(AuditRow).where(AuditRow.what == "record forgotten")).one()
    assert row.records == 9
    assert gone not in services.samples.read([str(row.sample_part)]).ids
    assert stays in services.samples.read([str(row.sample_part)]).ids
    assert (audited.actor, gone in audited.subject) == ("ann", False)


def test_forgetting_again_is_harmless(services: Services) -> None:
    """Also for a record that never was."""
    services.ingest.windows([stored.window(1).to_bytes()])
    nothing = Forgotten(ledger=False, sampled=0, labels=0, tasks=0)
    assert forget(services, "nobody", actor="ann") == nothing
    forget(services, "cam.host-1.b1.1000", actor="ann")
    assert forget(services, "cam.host-1.b1.1000", actor="ann") == nothing


def test_time_of_a_part() -> None:
    """It stands in the name; other files are not ours."""
    assert part_time("2026-11-20/115000-x.parquet") == datetime(2026, 11, 20, 11, 50, tzinfo=UTC)
    assert part_time("other/file.parquet") is None
