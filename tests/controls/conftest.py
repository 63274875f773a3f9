"""A room of controls on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from control_room import Room


@pytest.fixture
def room(database_url: str, tmp_path: Path) -> Iterator[Room]:
    """On SQLite and on PostgreSQL."""
    made = Room(database_url, tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def lone_room(sqlite_url: str, tmp_path: Path) -> Iterator[Room]:
    """On SQLite, for what does not depend on the database."""
    made = Room(sqlite_url, tmp_path)
    yield made
    made.services.close()
