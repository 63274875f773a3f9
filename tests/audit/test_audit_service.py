"""The self-audit on a real database: what it reads, what it leaves out, what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import small_fleet as sf
from audit_copies import FAULTY, LONGER, TOTAL, audited, incident
from sqlalchemy import select, update

from detectors.evidence.engine import FleetEvidence
from detectors.streams import StreamKey
from monitor.audit.realised import realised
from monitor.audit.run import audit
from monitor.audit.source import AuditError, Scope, apart
from monitor.checks.judge import Rules, measure
from monitor.services import Services
from monitor.settings.schema import Budget, Checks
from monitor.store.tables import BaselineRow, TickRow, WindowRow
from vigil.types import Slice


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
