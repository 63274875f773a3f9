"""A report is attached to each incident: begun by itself, kept, retried, dropped with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
import reports_fleet as fleet
from sqlalchemy import delete

from monitor.reports import job, kept
from monitor.reports.job import IncidentReports
from monitor.reports.process import Process
from monitor.services import Services
from monitor.settings.schema import Settings
from monitor.store.tables import IncidentRow
from monitor.web.console import queries_report
from vigil.clock import ManualClock
from vigil.errors import NotFoundError


class Pretended:
    """A process that ends when it is told to."""

    def __init__(self) -> None:
        self.result: tuple[int, str] = (1000, "")
        self.over = self.stopped = False

    def ended(self, *, wait_s: float = 0.0) -> bool:
        return self.over

    def stop(self) -> None:
        self.stopped = True


class Stage:
    """Three incidents, and reports whose processes are pretended."""

    def __init__(self, folder: Path, *, available: bool = True) -> None:
        self.services = fleet.services_in(folder)
        with self.services.sessions.begin() as session:
            for _ in range(3):
                session.add(fleet.incident())
        self.begun: list[int] = []
        self.processes: list[Pretended] = []
        self.reports = IncidentReports(
            self.services, start=self._start, available=lambda: available
        )

    def _start(self, settings: Settings, number: int) -> Process:
        self.begun.append(number)
        self.processes.append(Pretended())
        return cast(Process, self.processes[-1])

    def end(self, size: int = 1000, error: str = "") -> None:
        self.processes[-1].result, self.processes[-1].over = (size, error), True

    def later(self, **time: float) -> None:
        clock = self.services.clock
        assert isinstance(clock, ManualClock)
        clock.advance(timedelta(**time).total_seconds())

    def kept(self) -> dict[int, kept.Kept]:
        with self.services.sessions() as session:
            return kept.load(session)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.services.close()


def test_every_incident_gets_one_the_newest_first(stage: Stage) -> None:
    """One at a time, once each; a call never waits for the process."""
    assert stage.reports.run_due()
    assert not stage.reports.run_due()
    assert stage.begun == [3]
    for _ in range(4):
        stage.end()
        stage.reports.run_due()
    assert stage.begun == [3, 2, 1]
    assert all(one.is_made for one in stage.kept().values())
    assert all(one.stopped for one in stage.processes)


def test_without_the_extra_nothing_is_begun(tmp_path: Path) -> None:
    """Not installed: no process, no row, nothing to see on the incident's page."""
    stage = Stage(tmp_path, available=False)
    assert not stage.reports.run_due()
    assert stage.begun == []
    with stage.services.sessions() as session:
        assert queries_report.line_of(session, 1) is None
    stage.services.close()


def test_only_recent_incidents_whose_samples_can_be_there(stage: Stage) -> None:
    """Older than a day, or found this minute: none, yet."""
    now = stage.services.clock.now()
    with stage.services.sessions.begin() as session:
        session.get_one(IncidentRow, 1).detected_at = now - timedelta(days=2)
        session.get_one(IncidentRow, 2).detected_at = now - timedelta(days=2)
        session.get_one(IncidentRow, 3).detected_at = now
    assert not stage.reports.run_due()
    stage.later(minutes=2)
    assert stage.reports.run_due()
    assert stage.begun == [3]


def test_a_failure_is_shown_and_tried_again(stage: Stage) -> None:
    """The reason stands on the page; three attempts, ten minutes apart, then no more."""
    with stage.services.sessions.begin() as session:
        session.execute(delete(IncidentRow).where(IncidentRow.id > 1))
    for attempt in range(1, 4):
        assert stage.reports.run_due()
        stage.end(0, "no sampled record")
        assert not stage.reports.run_due()
        assert stage.kept()[1].attempts == attempt
        with stage.services.sessions() as session:
            line = queries_report.line_of(session, 1)
        assert line is not None
        assert line.text == "could not be drawn: no sampled record"
        assert not line.ready
        stage.later(minutes=11)
    assert not stage.reports.run_due()
    assert stage.begun == [1, 1, 1]


def test_one_that_takes_too_long_is_stopped(stage: Stage) -> None:
    """And what else is due is begun at once."""
    stage.reports.run_due()
    stage.later(seconds=job.LIMIT.total_seconds() + 1)
    assert stage.reports.run_due()
    assert stage.processes[0].stopped
    assert "was stopped" in stage.kept()[3].error
    assert stage.begun == [3, 2]


def test_one_that_a_killed_service_left_is_begun_anew(stage: Stage) -> None:
    """A row that began and never ended is due again after a while."""
    stage.reports.run_due()
    other = IncidentReports(stage.services, start=stage._start, available=lambda: True)
    other.run_due()
    assert stage.begun == [3, 2]
    stage.end()
    stage.later(minutes=11)
    other.run_due()
    assert stage.begun == [3, 2, 3]


def test_a_report_goes_with_its_incident(stage: Stage) -> None:
    """Retention deletes the incident: row and page follow."""
    stage.reports.run_due()
    stage.end()
    kept.put_page(stage.services.samples, 3, "<html>é</html>")
    stage.reports.run_due()
    assert kept.page_of(stage.services.samples, 3) == "<html>é</html>"
    assert stage.services.samples.parts() == []
    with stage.services.sessions.begin() as session:
        session.execute(delete(IncidentRow).where(IncidentRow.id == 3))
    stage.end()
    stage.reports.run_due()
    assert 3 not in stage.kept()
    assert kept.page_of(stage.services.samples, 3) is None
    with pytest.raises(NotFoundError, match="vigil incidents report 3"):
        queries_report.page(stage.services.samples, 3)


def test_a_damaged_page_is_no_page(stage: Stage) -> None:
    """Cut short, or something else: not found, never a traceback."""
    for raw in (b"", b"no gzip", b"\x1f\x8b\x08\x00"):
        stage.services.samples.keep(kept.part_of(1), raw)
        assert kept.page_of(stage.services.samples, 1) is None


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = fleet.services_in(tmp_path_factory.mktemp("reports-job"))
    fleet.seed(services)
    yield services
    services.close()


def ended(services: Services, number: int) -> tuple[int, str]:
    process = Process(services.settings, number)
    try:
        assert process.ended(wait_s=110)
        return process.result
    finally:
        process.stop()


def test_the_process_says_why_there_is_no_report(seeded: Services) -> None:
    """An incident without samples: the reason, in words, from the other process."""
    size, error = ended(seeded, 3)
    assert size == 0
    assert "has no baseline" in error


@pytest.mark.servers
@pytest.mark.skipif(find_spec("evidently") is None, reason="Evidently is not installed")
def test_a_real_report_is_kept(seeded: Services, tmp_path: Path) -> None:
    """Evidently, in the process's own process; the page is what the command writes."""
    size, error = ended(seeded, 1)
    assert error == ""
    page: Any = kept.page_of(seeded.samples, 1)
    assert len(page.encode()) == size
    assert "Incident 1" in page
    assert "vigil and Evidently agree on all" in page
