"""The settings and the parts of a service that watches the fleet, and its history."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from monitor.backfill import backfill
from monitor.services import Services, open_services
from monitor.settings.alerting import Route
from monitor.settings.schema import (
    Budget,
    Checks,
    Relabel,
    Rollback,
    Service,
    Settings,
    WatchedModel,
)
from monitor.store import baselines
from monitor.store.samples import MemorySamples
from monitor.store.tables import ReleaseRow
from small_fleet.cameras import (
    DEPLOYMENT,
    FIRST,
    HISTORY,
    KEPT,
    KEYS,
    LATENESS_S,
    MODEL,
    NOON,
    THRESHOLD,
    baseline,
    some_labels,
    world,
)
from small_fleet.database import Rows, rows_of
from vigil.clock import ManualClock


def settings(database: str, **changes: Any) -> Settings:
    """``watched``: changes of the model's section; others are sections of the settings."""
    watched = WatchedModel(name=MODEL, keys=KEYS, **changes.pop("watched", {}))
    values: dict[str, Any] = {
        "service": Service(database=database, window_s=1.0, lateness_s=LATENESS_S),
        "budget": Budget(false_pages=1.0, per_days=THRESHOLD / 86400.0),
        "checks": Checks(min_history=200, unproven_after_s=20.0),
        "models": (watched,),
        "routes": (Route(receivers=("pager",)),),
    }
    return Settings(**{**values, **changes})


@lru_cache(maxsize=1)
def history_rows() -> Rows:
    """Every row of a database with the baselines, v1 known good, and its history learnt."""
    folder = Path(tempfile.mkdtemp(prefix="vigil-history-"))
    try:
        clock = ManualClock(NOON)
        services = opened(f"sqlite:///{folder}/history.db", clock)
        with services.sessions.begin() as session:
            for version in ("v1", "v2"):
                baselines.add(session, baseline(version))
            session.add(
                ReleaseRow(
                    model=MODEL,
                    deployment=DEPLOYMENT,
                    version="v1",
                    started_at=datetime(2026, 11, 1, tzinfo=UTC),
                    origin="announced",
                    known_good=True,
                )
            )
        made = (world().batch(tick, source="log") for tick in range(FIRST - HISTORY, FIRST))
        report = backfill(
            services,
            services.settings.models[0],
            ((batch, some_labels(batch, labels)) for batch, labels in made),
        )
        assert (report.windows, report.rejected) == (HISTORY, ())
        rows = rows_of(services.engine)
        services.close()
        return {**rows, "windows": rows["windows"][-KEPT:], "labels": []}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def opened(
    database: str, clock: ManualClock, *, samples: MemorySamples | None = None, **changes: Any
) -> Services:
    """A service's parts; ids count up, so that two runs give the same ones."""
    numbers = iter(range(10**9))
    return open_services(
        settings(database, **changes),
        clock=clock,
        samples=samples or MemorySamples(),
        new_id=lambda: f"{next(numbers):016d}",
    )


WITH_REGISTRY = {"target": "registry", "automatic": True}


def rollback(registry: Path, **rules: Any) -> Rollback:
    """Rollback by a local registry."""
    return Rollback(**{**WITH_REGISTRY, "registry": registry, **rules})


def relabel(folder: Path, budget: int = 10) -> Relabel:
    return Relabel(folder=str(folder), budget=budget)
