"""Canaries, gates and controls are kept as long as history; what goes on is never deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from monitor.retention import sweep
from monitor.settings.schema import Retention
from monitor.store.database import Sessions, open_engine
from monitor.store.samples import MemorySamples
from monitor.store.tables import CanaryRow, ControlRow, GateRow

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FAMILY = {"model": "digits", "deployment": "production", "actor": "ci"}


def canary(ended_at: datetime | None) -> CanaryRow:
    old = NOW - timedelta(days=500)
    return CanaryRow(
        **FAMILY,
        control="v1",
        candidate="v2",
        share=0.1,
        margin=0.01,
        alpha=0.01,
        state="running" if ended_at is None else "accept",
        started_at=old,
        updated_at=old,
        ended_at=ended_at,
    )


def control(state: str, updated_at: datetime, plan: str) -> ControlRow:
    return ControlRow(
        **FAMILY,
        what="flag",
        after="on",
        plan_hash=plan,
        state=state,
        created_at=updated_at,
        updated_at=updated_at,
    )


def gate(at: datetime) -> GateRow:
    return GateRow(**FAMILY, candidate="v2", at=at, outcome="pass", checks=[])


def test_only_what_is_old_and_over_is_deleted(sqlite_url: str) -> None:
    engine = open_engine(sqlite_url)
    sessions = Sessions(engine)
    old, new = NOW - timedelta(days=400), NOW - timedelta(days=300)
    with sessions.begin() as session:
        session.add_all([canary(old), canary(new), canary(None), gate(old), gate(new)])
        for plan, (state, at) in enumerate(
            [("done", old), ("refused", old), ("waiting", old), ("executing", old), ("done", new)]
        ):
            session.add(control(state, at, str(plan)))
    sweep(sessions, MemorySamples(), Retention(history_days=365.0), now=NOW)
    with sessions() as session:
        assert len(session.scalars(select(CanaryRow)).all()) == 2
        assert len(session.scalars(select(GateRow)).all()) == 1
        states = session.scalars(select(ControlRow.state).order_by(ControlRow.id)).all()
        assert list(states) == ["waiting", "executing", "done"]
    engine.dispose()
