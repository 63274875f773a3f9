"""The self-audit as a job of the service: its process, what is kept, when it is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import small_fleet as sf
from audit_copies import TOTAL
from sqlalchemy import delete

from monitor.audit import kept
from monitor.audit.job import SelfAudits
from monitor.audit.worker import Worker, run
from monitor.services import Services
from monitor.settings.schema import Audit, Service, Settings
from monitor.store.database import Sessions, open_engine
from monitor.store.migrate import upgrade
from monitor.store.tables import StateRow, WindowRow
from vigil.clock import ManualClock


def test_the_job_audits_in_a_process_of_its_own(opened: Callable[..., Services]) -> None:
    """It waits until the service has settled, starts once, keeps the report and exports it."""
    services = opened(audit=Audit(every_days=7.0))
    clock = services.clock
    assert isinstance(clock, ManualClock)
    jobs = SelfAudits(services)
    assert not jobs.run_due()  # just up
    clock.advance(660.0)
    assert jobs.run_due()
    assert not jobs.run_due()
    worker = jobs._worker
    assert worker is not None
    assert worker.ended(wait_s=120.0)
    assert not jobs.run_due()
    with services.sessions() as session:
        known = kept.load(session)
    assert known.error == ""
    assert known.report is not None
    assert known.report["ticks"] == TOTAL // 2
    text = services.metrics.text().decode()
    assert "vigil_audit_pages 0.0" in text
    (budget,) = (one for one in text.splitlines() if one.startswith("vigil_audit_budget_pages "))
    assert float(budget.split()[1]) == pytest.approx(TOTAL // 2 / services.settings.threshold_ticks)
    assert "vigil_audit_realised_rate 0.0" in text
    assert "vigil_false_pages_30d 0.0" in text
    jobs.stop()


def test_what_went_wrong_is_kept_beside_the_last_report(opened: Callable[..., Services]) -> None:
    """A failed audit hides no earlier one, and is tried again after a day."""
    services = opened()
    now = services.clock.now()
    run(services.settings, services.sessions, services.clock)
    with services.sessions.begin() as session:
        session.execute(delete(WindowRow))
    run(services.settings, services.sessions, services.clock)
    with services.sessions() as session:
        known = kept.load(session)
    assert "no verified window" in known.error
    assert known.report is not None
    assert not kept.is_due(known, every_days=7, now=now + timedelta(hours=23))
    assert kept.is_due(known, every_days=7, now=now + timedelta(hours=25))


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    """Its last words are kept, e.g. that the database is not there."""
    settings = Settings(service=Service(database="postgresql://nobody@127.0.0.1:1/none"))
    worker = Worker(settings)
    assert worker.ended(wait_s=60.0)
    assert "the audit's process failed" in worker.trouble
    worker.stop()


@pytest.mark.parametrize(
    ("known", "every", "expected"),
    [
        (kept.Kept(), 7.0, True),
        (kept.Kept(), 0.0, False),
        (kept.Kept(began_s=sf.NOON.timestamp() - 60), 7.0, False),
        (kept.Kept(began_s=sf.NOON.timestamp() - 7 * 3600), 7.0, True),
        (kept.Kept(ended_s=sf.NOON.timestamp() - 6 * 86_400), 7.0, False),
        (kept.Kept(ended_s=sf.NOON.timestamp() - 7 * 86_400), 7.0, True),
    ],
)
def test_when_an_audit_is_due(known: kept.Kept, every: float, expected: bool) -> None:
    """Every so many days; not while one runs, unless that has died."""
    assert kept.is_due(known, every_days=every, now=sf.NOON) is expected


def test_a_row_that_can_t_be_read_is_no_report(sqlite_url: str) -> None:
    """A damaged row is as good as none."""
    engine = open_engine(sqlite_url)
    sessions = Sessions(engine)
    with sessions.begin() as session:
        session.add(StateRow(name=kept.NAME, tick_id=None, updated_at=sf.NOON, blob=b"[1"))
    with sessions() as session:
        assert kept.load(session) == kept.Kept()
    engine.dispose()


def test_the_report_is_kept_on_both_databases(database_url: str) -> None:
    """Begun, failed and succeeded, one row, the same on SQLite and PostgreSQL."""
    engine = open_engine(database_url)
    upgrade(engine)
    sessions = Sessions(engine)
    with sessions.begin() as session:
        kept.began(session, at=sf.NOON)
    with sessions.begin() as session:
        kept.succeeded(session, {"pages": 1}, at=sf.NOON + timedelta(minutes=1))
    with sessions.begin() as session:
        kept.failed(session, "gone", at=sf.NOON + timedelta(minutes=2))
    with sessions() as session:
        known = kept.load(session)
    engine.dispose()
    assert (known.report, known.error) == ({"pages": 1}, "gone")
    assert known.ended_s == sf.NOON.timestamp() + 120
