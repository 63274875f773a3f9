"""A whole service with a model that is retrained through a stub of a hook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from label_rows import NOON

from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store.samples import MemorySamples
from vigil.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


def _opened(url: str, clock: ManualClock) -> Iterator[Services]:
    opened = open_services(
        Settings(
            service=Service(database=url),
            models=(WatchedModel(name="reader", keys=("site",)),),
        ),
        clock=clock,
        samples=MemorySamples(),
    )
    yield opened
    opened.close()


@pytest.fixture
def services(sqlite_url: str, clock: ManualClock) -> Iterator[Services]:
    """Services on SQLite, for what does not depend on the database."""
    yield from _opened(sqlite_url, clock)


@pytest.fixture
def both(database_url: str, clock: ManualClock) -> Iterator[Services]:
    """Services on SQLite and on PostgreSQL."""
    yield from _opened(database_url, clock)
