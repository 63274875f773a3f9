"""An alert that comes back soon after its incident was resolved reopens it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import small_fleet as fleet
from rsp_stage import Stage

from alerts import incidents
from alerts.grouping import Belongs
from alerts.types import Incident
from monitor.checks.diagnosis import Diagnosis
from monitor.response import record
from monitor.response.bridge import Bridge
from monitor.schedule.wiring import wire
from monitor.settings.schema import Checks
from vigil.types import WHOLE, Cause, ModelRef

WITHIN_S = 10.0


def raised(
    stage: Stage, bridge: Bridge, *, version: str = "v2", cause: Cause = Cause.MODEL_REGRESSION
) -> tuple[Incident, Belongs]:
    now = stage.clock.now()
    diagnosis = Diagnosis(
        model=ModelRef(name=fleet.MODEL, version=version, deployment=fleet.DEPLOYMENT),
        slice=WHOLE,
        cause=cause,
        reasons=("it got worse",),
        drifts=(),
        onset=now - timedelta(seconds=3),
        at=now,
    )
    with stage.services.sessions.begin() as session:
        return bridge.raise_alert(session, diagnosis)


def resolved(stage: Stage, bridge: Bridge) -> Incident:
    """It was over, and vigil closed it."""
    incident, _ = raised(stage, bridge)
    at = stage.clock.now()
    with stage.services.sessions.begin() as session:
        over = record.save(session, incidents.recovered(incident, at=at, text="Healthy."))
        return record.save(session, incidents.resolve(over, at=at, actor="vigil"))


@pytest.fixture
def bridge(lone_stage: Stage) -> Bridge:
    services = lone_stage.services
    return Bridge(
        lone_stage.announcer,
        services.runbooks,
        services.metrics,
        window_s=1.0,
        reopen_within_s=WITHIN_S,
    )


def test_it_reopens_and_pages_again(lone_stage: Stage, bridge: Bridge) -> None:
    first = resolved(lone_stage, bridge)
    lone_stage.clock.advance(WITHIN_S)
    again, belongs = raised(lone_stage, bridge)
    assert (again.id, belongs, again.state.value) == (first.id, Belongs.REOPENS, "open")
    assert again.resolved_at is None
    assert "reopened" in lone_stage.timeline(first)
    assert [row.event for row in lone_stage.messages()] == ["trigger", "trigger"]
    assert raised(lone_stage, bridge)[1] is Belongs.SAME


@pytest.mark.parametrize(
    ("later_s", "version", "cause"),
    [
        (WITHIN_S + 1, "v2", Cause.MODEL_REGRESSION),
        (1.0, "v3", Cause.MODEL_REGRESSION),
        (1.0, "v2", Cause.INPUT_FAULT),
    ],
)
def test_what_is_late_or_another_story_is_a_new_incident(
    lone_stage: Stage, bridge: Bridge, later_s: float, version: str, cause: Cause
) -> None:
    first = resolved(lone_stage, bridge)
    lone_stage.clock.advance(later_s)
    second, belongs = raised(lone_stage, bridge, version=version, cause=cause)
    assert belongs is Belongs.NEW
    assert second.id != first.id


@pytest.mark.parametrize("windows", [0, 10])
def test_the_setting_decides_how_long(lone_stage: Stage, windows: int) -> None:
    services = fleet.opened(
        lone_stage.database, lone_stage.clock, checks=Checks(reopen_within_windows=windows)
    )
    bridge = wire(services, holder="test").ticks._responder._bridge
    resolved(lone_stage, bridge)
    lone_stage.clock.advance(5)
    assert raised(lone_stage, bridge)[1] is (Belongs.REOPENS if windows else Belongs.NEW)
    services.close()
