"""The composition root: everything that a service process works with, opened from its settings."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from alerts.types import AlertKind
from monitor.ingest.ingest import Ingest
from monitor.metrics import Metrics
from monitor.settings.schema import Settings
from monitor.settings.secrets import Secret, read_secret
from monitor.settings.watch import ConfigWatch
from monitor.store import installation
from monitor.store.database import Sessions, open_engine
from monitor.store.migrate import upgrade
from monitor.store.samples import FsspecSamples, SampleStore
from runbooks.library import Library
from runbooks.library import load as load_runbooks
from vigil.clock import Clock, SystemClock


def random_id() -> str:
    """Sixteen random hexadecimal digits."""
    return uuid.uuid4().hex[:16]


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """What the parts of a service share. ``started_at`` is when this process opened them."""

    settings: Settings
    clock: Clock
    engine: Engine
    sessions: Sessions
    samples: SampleStore
    ingest: Ingest
    metrics: Metrics
    runbooks: Library
    session_secret: Secret
    new_id: Callable[[], str]
    started_at: datetime
    config: ConfigWatch | None = None

    def close(self) -> None:
        """Give the database connections back."""
        self.engine.dispose()


def open_services(
    settings: Settings,
    *,
    clock: Clock | None = None,
    samples: SampleStore | None = None,
    new_id: Callable[[], str] = random_id,
    config: Path | None = None,
) -> Services:
    """Open database (migrated if needed) and samples, and build what works on them.

    ``config`` is the file that the settings came from: the status then tells of edits.

    Raises:
        ConfigError: a setting, a secret or a runbook that can't be used, or an alert without one.
        SchemaError: the database was written by a newer vigil.
    """
    clock = clock or SystemClock()
    service = settings.service
    runbooks = load_runbooks(settings.runbooks)
    runbooks.check(kind.value for kind in AlertKind)
    engine = open_engine(
        service.database,
        password=_optional(service, "database_password"),
    )
    upgrade(engine)
    sessions = Sessions(engine)
    installation.ensure(sessions, new_id=new_id, now=clock.now())
    store = samples or FsspecSamples(service.samples)
    metrics = Metrics()
    metrics.gauge("vigil_evidence_threshold_ticks", settings.threshold_ticks)
    ingest = Ingest(
        sessions=sessions,
        samples=store,
        clock=clock,
        metrics=metrics,
        new_id=new_id,
        max_future_s=service.max_future_s,
        max_age_days=settings.retention.windows_days,
        policies={one.name: settings.policy(one.name) for one in settings.models},
    )
    return Services(
        settings=settings,
        clock=clock,
        engine=engine,
        sessions=sessions,
        samples=store,
        ingest=ingest,
        metrics=metrics,
        runbooks=runbooks,
        session_secret=Secret(_optional(service, "session_secret") or uuid.uuid4().hex),
        new_id=new_id,
        started_at=clock.now(),
        config=ConfigWatch(config) if config else None,
    )


def _optional(service: object, name: str) -> str | None:
    ref = getattr(service, name)
    return None if ref is None else read_secret(ref, key=f"service.{name}").reveal()
