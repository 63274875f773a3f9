"""The self-audit on a real database: what it reads, leaves out, keeps and exports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import small_fleet as sf
from sqlalchemy import delete, select, update
from typer.testing import CliRunner

from detectors.evidence.engine import FleetEvidence
from detectors.streams import StreamKey
from monitor.audit import kept
from monitor.audit.job import SelfAudits
from monitor.audit.realised import realised
from monitor.audit.run import audit
from monitor.audit.source import AuditError, Scope, apart
from monitor.audit.worker import Worker, run
from monitor.backfill import backfill
from monitor.checks.judge import Rules, measure
from monitor.cli.app import app
from monitor.services import Services
from monitor.settings.schema import Audit, Budget, Checks, Service, Settings
from monitor.store import baselines
from monitor.store.database import Sessions, open_engine
from monitor.store.migrate import upgrade
from monitor.store.tables import BaselineRow, IncidentRow, StateRow, TickRow, WindowRow
from vigil.clock import ManualClock
from vigil.types import Slice

LEARN, JUDGED, FAULTY = 70, 100, 30
TOTAL = LEARN + JUDGED
LONGER = 400
"""Windows of the faulty fleet: evidence needs history, or the fault becomes the reference first."""

CHECKS = Checks(min_history=60)
FAULT = sf.Scene(blurred="s1")


def fill(path: Path, total: int, faulty: int = 0) -> None:
    """Back-filled windows of a healthy fleet; the last ones with a camera out of focus."""
    services = sf.opened(f"sqlite:///{path}", ManualClock(sf.NOON), checks=CHECKS)
    with services.sessions.begin() as session:
        baselines.add(session, sf.baseline("v1"))
    made = (
        sf.world().batch(tick, FAULT if sf.FIRST - faulty <= tick else sf.HEALTHY, source="log")
        for tick in range(sf.FIRST - total, sf.FIRST)
    )
    report = backfill(
        services,
        services.settings.models[0],
        ((batch, sf.some_labels(batch, labels)) for batch, labels in made),
    )
    assert (report.windows, report.rejected) == (total, ())
    services.close()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two databases to copy: a healthy one, and one whose last windows are faulty."""
    folder = tmp_path_factory.mktemp("audit")
    found = {"healthy": folder / "healthy.db", "faulty": folder / "faulty.db"}
    fill(found["healthy"], TOTAL)
    fill(found["faulty"], LONGER, FAULTY)
    return found


@pytest.fixture
def opened(stored: dict[str, Path], tmp_path: Path) -> Iterator[Callable[..., Services]]:
    """A service on a copy of one of them."""
    made: list[Services] = []

    def open_(which: str = "healthy", **changes: Any) -> Services:
        copy = tmp_path / f"{which}.db"
        shutil.copyfile(stored[which], copy)
        changes = {"checks": CHECKS, **changes}
        made.append(sf.opened(f"sqlite:///{copy}", ManualClock(sf.NOON), **changes))
        return made[-1]

    yield open_
    for services in made:
        services.close()


def audited(services: Services, scope: Scope | None = None) -> Any:
    return audit(services.sessions, services.settings, scope, now=services.clock.now())


def incident(services: Services, *, slice: Slice, first: int, **values: Any) -> None:
    columns = {
        "group_key": "g",
        "fingerprint": "f",
        "kind": "input_fault",
        "cause": "input_fault",
        "severity": "error",
        "model": sf.MODEL,
        "model_version": "v1",
        "deployment": sf.DEPLOYMENT,
        "slice": str(slice),
        "title": "t",
        "state": "open",
        "onset_at": sf.at(first - 1),
        "detected_at": sf.at(first),
        "last_firing_at": sf.at(first),
        "findings": [],
        "reasons": [],
        "labels": {},
        "runbook": "r",
        **values,
    }
    with services.sessions.begin() as session:
        session.add(IncidentRow(**columns))


def test_a_healthy_database_is_within_budget(opened: Callable[..., Services]) -> None:
    """All windows are replayed, half of them to learn from, and the realised rate is beside it."""
    seen: list[tuple[int, int]] = []
    services = opened()
    found = audit(
        services.sessions,
        services.settings,
        now=services.clock.now(),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (found.learnt_ticks, found.ticks, found.pages) == (TOTAL // 2, TOTAL // 2, 0)
    assert found.streams > 90
    assert found.left_out == replace(found.left_out, of_incidents=0, unverified=0, unreadable=0)
    assert seen[-1] == (TOTAL, TOTAL)
    assert {one.reason[:5] for one in found.kinds} == {"needs"}


def test_the_live_engine_is_left_alone(opened: Callable[..., Services]) -> None:
    """Nothing in the database changes, and an audit repeated says the same."""
    services = opened()
    before = sf.rows_of(services.engine)
    one = audited(services)
    other = audited(services)
    assert sf.rows_of(services.engine) == before
    assert replace(one, duration_s=0.0) == replace(other, duration_s=0.0)


def test_a_stored_fault_pages_and_is_named(opened: Callable[..., Services]) -> None:
    """A camera out of focus that nobody called an incident: the replay finds it."""
    found = audited(opened("faulty"))
    assert found.pages >= 1
    page = found.page_lines[0]
    assert page.stream.signal == "sharpness"
    assert "s1" in page.stream.slice or page.stream.slice in ("site=south", "all traffic")


def test_effects_are_judged_as_the_live_service_does(
    opened: Callable[..., Services], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variation from window to window that the engine measured, else the replay's
    intervals are too narrow."""
    seen: list[Rules] = []

    def watched(parts: Any, streams: Any, rules: Rules) -> Any:
        seen.append(rules)
        return measure(parts, streams, rules)

    monkeypatch.setattr("monitor.audit.source.measure", watched)
    engines: list[FleetEvidence] = []
    between = FleetEvidence.between

    def asked(engine: FleetEvidence, stream: StreamKey) -> float:
        engines.append(engine)
        return between(engine, stream)

    monkeypatch.setattr(FleetEvidence, "between", asked)
    services = opened("faulty")
    audited(services)
    assert seen
    assert all(rules.between is not None for rules in seen)
    assert {engine.threshold for engine in engines} == {services.settings.threshold_ticks}


def test_an_incident_is_no_healthy_traffic(opened: Callable[..., Services]) -> None:
    """Streams that may touch it are left out while it lasts; the others are judged on."""
    services = opened("faulty")
    incident(services, slice=Slice((("camera", "s1"),)), first=sf.FIRST - FAULTY - 1)
    found = audited(services)
    assert found.pages == 0
    assert found.left_out.of_incidents > FAULTY
    assert found.ticks == LONGER // 2


def test_an_incident_called_false_is_healthy_traffic(opened: Callable[..., Services]) -> None:
    """People said that nothing was wrong: then its page is a false one, and counts."""
    services = opened("faulty")
    incident(
        services,
        slice=Slice((("camera", "s1"),)),
        first=sf.FIRST - FAULTY - 1,
        disposition="false_alarm",
    )
    found = audited(services)
    assert found.pages >= 1
    assert found.left_out.of_incidents == 0
    assert (found.realised.false_pages, found.realised.undecided) == (1, 0)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((("site", "n"),), (("site", "s"),), True),
        ((("site", "n"),), (("camera", "c"),), False),
        ((), (("site", "n"),), False),
        ((("site", "n"), ("camera", "c")), (("site", "n"),), False),
    ],
)
def test_slices_are_apart_only_where_a_key_says_so(one: Any, other: Any, expected: bool) -> None:
    """Without a key in common they may share traffic."""
    assert apart(Slice(one), Slice(other)) is expected
    assert apart(Slice(other), Slice(one)) is expected


def test_a_damaged_window_is_left_out_and_counted(opened: Callable[..., Services]) -> None:
    """One broken blob does not end the audit."""
    services = opened()
    with services.sessions.begin() as session:
        first = session.scalars(select(WindowRow.id).order_by(WindowRow.id)).first()
        session.execute(update(WindowRow).where(WindowRow.id == first).values(blob=b"broken"))
    found = audited(services)
    assert found.left_out.unreadable == 1
    assert found.learnt_ticks + found.ticks == TOTAL - 1


def test_without_a_baseline_nothing_can_be_judged(opened: Callable[..., Services]) -> None:
    """A retired baseline: said plainly, with the number of records."""
    services = opened()
    with services.sessions.begin() as session:
        session.execute(update(BaselineRow).values(state="retired"))
    with pytest.raises(AuditError, match=r"versions without an active baseline"):
        audited(services)


def test_too_little_history_is_said(opened: Callable[..., Services]) -> None:
    """With what there is, and what is needed."""
    services = opened(checks=Checks(min_history=200))
    with pytest.raises(AuditError, match=r"170 ticks have data.*each part needs 200"):
        audited(services)
    with pytest.raises(AuditError, match=r"no verified window of other is stored"):
        audited(services, Scope(model="other"))


def test_the_span_and_the_burn_in_can_be_chosen(opened: Callable[..., Services]) -> None:
    """`--days` takes the last windows, `--burn-in` so many of them to learn from."""
    services = opened()
    second = 1 / 86_400
    found = audited(services, Scope(days=140 * second, burn_in_days=65 * second))
    assert (found.learnt_ticks, found.ticks) == (65, 75)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_span_that_is_none_is_refused(opened: Callable[..., Services], bad: float) -> None:
    """With the name of the option."""
    services = opened()
    with pytest.raises(AuditError, match=r"days: expected a number of days"):
        audited(services, Scope(days=bad))
    with pytest.raises(AuditError, match=r"burn-in: expected a number of days"):
        audited(services, Scope(burn_in_days=bad))


def test_people_s_dispositions_are_the_live_rate(opened: Callable[..., Services]) -> None:
    """Only what evidence paged counts, only the last 30 days, against the budget of that time."""
    services = opened()
    now = services.clock.now()
    with services.sessions.begin() as session:
        session.add(
            TickRow(
                id=1,
                end_at=now - timedelta(days=10),
                started_at=now,
                duration_ms=1.0,
                windows=1,
                streams=1,
                holder="t",
            )
        )
    whole = Slice()
    for disposition in ("false_alarm", "false_alarm", "true_alarm", None):
        incident(services, slice=whole, first=sf.FIRST - 5, disposition=disposition)
    incident(services, slice=whole, first=sf.FIRST - 5, kind="no_data", disposition="false_alarm")
    old = now - timedelta(days=40)
    incident(services, slice=whole, first=1, detected_at=old, disposition="false_alarm")
    with services.sessions() as session:
        found = realised(session, Budget(false_pages=1.0, per_days=30.0), now=now)
    assert (found.false_pages, found.undecided, found.days) == (2, 1, 10.0)
    assert found.budget_pages == pytest.approx(1 / 3)


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


CONFIG = """
[service]
database = "sqlite:///{name}.db"
samples = "samples"
window_s = 1.0

[budget]
false_pages = {pages}
per_days = {days}

[checks]
min_history = 60

[[models]]
name = "digits"
keys = ["site", "camera"]
"""


@pytest.fixture
def command(
    opened: Callable[..., Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`vigil audit` on a copy of a database."""

    def call(which: str, *arguments: str, code: int, days: float = 0.23, pages: float = 1.0) -> Any:
        opened(which)
        config = tmp_path / "vigil.toml"
        config.write_text(CONFIG.format(name=which, days=days, pages=pages))
        monkeypatch.setenv("VIGIL_CONFIG", str(config))
        result = CliRunner().invoke(app, ["audit", *arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call


def test_the_command_exits_with_0_within_the_budget(command: Callable[..., Any]) -> None:
    """The first line is the verdict, the second who is closest."""
    lines = command("healthy", code=0).stdout.splitlines()
    assert lines[0].startswith("0 pages in ")
    assert "the budget allows" in lines[0]
    assert lines[1].startswith("Closest to paging: ")
    assert any(line.startswith("sharper look") for line in lines)


def test_the_command_exits_with_1_beyond_the_budget(command: Callable[..., Any]) -> None:
    """One page where a two-hundredth is allowed is a breach."""
    result = command("faulty", code=1)
    assert "beyond the budget" in result.stdout
    assert "sharpness" in result.stdout


def test_the_command_prints_json(command: Callable[..., Any]) -> None:
    """One object with the format's number."""
    found = json.loads(command("healthy", "--json", "--seed", "3", code=0).stdout)
    assert (found["format"], found["judgement"], found["seed"]) == (1, "within", 3)


def test_the_command_exits_with_2_without_an_answer(command: Callable[..., Any]) -> None:
    """A model that is not there, and one line of error."""
    result = command("healthy", "--model", "other", code=2)
    assert result.output.strip().startswith("vigil: self-audit: no verified window of other")


def test_the_command_can_show_its_report_in_the_console(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    """`--save` keeps it; without, nothing is written."""
    command("healthy", "--save", code=0)
    engine = open_engine(f"sqlite:///{tmp_path}/healthy.db")
    with Sessions(engine)() as session:
        known = kept.load(session)
    engine.dispose()
    assert known.report is not None
    assert known.report["verdict"].startswith("0 pages")
