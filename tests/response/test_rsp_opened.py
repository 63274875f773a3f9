"""What opening an incident says and counts."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from alerts.notifiers.console import as_text
from alerts.types import Message
from monitor.checks.diagnosis import Diagnosis
from monitor.metrics import Metrics
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge
from monitor.settings.schema import Settings, WatchedModel
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import Base, OutboxRow
from runbooks.library import load
from vigil.types import WHOLE, Cause, ModelRef

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("owner", ["vision team", ""])
def test_the_page_names_the_owner_that_the_settings_name(sqlite_url: str, owner: str) -> None:
    """In the message as it waits for delivery, and in its text where there is one."""
    engine = open_engine(sqlite_url)
    Base.metadata.create_all(engine)
    settings, library = Settings(models=(WatchedModel(name="digits", owner=owner),)), load()
    bridge = Bridge(Announcer(settings, library), library, Metrics(), window_s=1.0)
    with Sessions(engine).begin() as session:
        bridge.raise_alert(session, _diagnosis())
        stored = session.scalars(select(OutboxRow)).one().message
    engine.dispose()
    message = Message.from_json(stored)
    assert message.incident.labels["owner"] == owner
    lines = [line for line in as_text(message).splitlines() if line.startswith("Owner")]
    assert lines == ([f"{'Owner':<12}{owner}"] if owner else [])


def _diagnosis() -> Diagnosis:
    return Diagnosis(
        model=ModelRef(name="digits", version="v1"),
        cause=Cause.NO_DATA,
        reasons=("nothing came",),
        slice=WHOLE,
        drifts=(),
        onset=NOW,
        at=NOW,
    )


def test_an_incident_that_was_rolled_back_is_not_counted(sqlite_url: str) -> None:
    """The tick that failed is done again, and counts then."""
    engine = open_engine(sqlite_url)
    Base.metadata.create_all(engine)
    metrics, library = Metrics(), load()
    bridge = Bridge(Announcer(Settings(), library), library, metrics, window_s=60.0)
    with suppress(RuntimeError), Sessions(engine).begin() as session:
        bridge.raise_alert(session, _diagnosis())
        raise RuntimeError
    assert _counted(metrics) == []
    with Sessions(engine).begin() as session:
        bridge.raise_alert(session, _diagnosis())
    engine.dispose()
    assert _counted(metrics) == [1.0]


def _counted(metrics: Metrics) -> list[float]:
    lines = metrics.text().decode().splitlines()
    return [
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("vigil_incidents_total{")
    ]
