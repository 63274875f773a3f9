"""A service without traffic; windows are rows made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_fleet as fleet
from srv_scene import Scene


@pytest.fixture
def scene(database_url: str, tmp_path) -> Iterator[Scene]:
    """On SQLite and on PostgreSQL."""
    made = Scene(database_url, tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def lone_scene(sqlite_url: str, tmp_path) -> Iterator[Scene]:
    """On SQLite, for what does not depend on the database."""
    made = Scene(sqlite_url, tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def notes() -> fleet.Notes:
    return fleet.Notes()
