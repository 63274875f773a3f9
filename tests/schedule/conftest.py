"""A service with a history on a database of its own, and a fleet to ship it windows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_fleet as fleet


@pytest.fixture
def story(database_url: str) -> Iterator[fleet.Story]:
    """On SQLite and on PostgreSQL."""
    yield from fleet.story(database_url)


@pytest.fixture
def lone_story(sqlite_url: str) -> Iterator[fleet.Story]:
    """On SQLite, for what does not depend on the database."""
    yield from fleet.story(sqlite_url)
