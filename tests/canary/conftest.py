"""A service that watches the fleet, with v1 serving and nothing else in its database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import small_fleet as fleet
from canary_fleet import START, released

from monitor.services import Services
from vigil.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def services(database_url: str, clock: ManualClock, tmp_path: Path) -> Iterator[Services]:
    """On SQLite and on PostgreSQL."""
    yield from _opened(database_url, clock, tmp_path)


@pytest.fixture
def lone(sqlite_url: str, clock: ManualClock, tmp_path: Path) -> Iterator[Services]:
    """On SQLite, for what does not depend on the database."""
    yield from _opened(sqlite_url, clock, tmp_path)


def _opened(url: str, clock: ManualClock, folder: Path) -> Iterator[Services]:
    watched = {"rollback": fleet.rollback(folder / "registry.json")}
    opened = fleet.opened(url, clock, watched=watched)
    released(opened)
    yield opened
    opened.close()
