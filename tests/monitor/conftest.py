"""A whole service on a database of its own, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stored

from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings
from monitor.store.samples import MemorySamples
from vigil.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(stored.NOON)


@pytest.fixture
def services(database_url: str, clock: ManualClock) -> Iterator[Services]:
    """Services on SQLite and on PostgreSQL."""
    opened = open_services(
        Settings(service=Service(database=database_url)), clock=clock, samples=MemorySamples()
    )
    yield opened
    opened.close()


@pytest.fixture
def lone_services(sqlite_url: str, tmp_path: Path, clock: ManualClock) -> Iterator[Services]:
    """Services on SQLite, for what does not depend on the database."""
    opened = open_services(
        Settings(service=Service(database=sqlite_url, samples=str(tmp_path / "samples"))),
        clock=clock,
    )
    yield opened
    opened.close()
