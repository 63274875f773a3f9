"""Stored fleets for the self-audit: windows, a fault at the end, an incident."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import small_fleet as sf
from incident_rows import incident_row

from monitor.audit.run import audit
from monitor.audit.source import Scope
from monitor.backfill import backfill
from monitor.services import Services
from monitor.settings.schema import Checks
from monitor.store import baselines
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


def audited(services: Services, scope: Scope | None = None) -> Any:
    return audit(services.sessions, services.settings, scope, now=services.clock.now())


def incident(services: Services, *, slice: Slice, first: int, **values: Any) -> None:
    columns = {
        "model": sf.MODEL,
        "deployment": sf.DEPLOYMENT,
        "slice": str(slice),
        "onset_at": sf.at(first - 1),
        **values,
    }
    with services.sessions.begin() as session:
        session.add(incident_row(sf.at(first), **columns))
