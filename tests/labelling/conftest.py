"""A service whose model has a label queue in memory, and tasks that wait in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from label_desk import Desk


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    made = Desk(database_url)
    yield made
    made.services.close()


@pytest.fixture
def lone_desk(sqlite_url: str) -> Iterator[Desk]:
    """On SQLite, for what does not depend on the database."""
    made = Desk(sqlite_url)
    yield made
    made.services.close()
