"""A service without traffic on a database of its own, with incidents made by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import small_fleet as fleet
from rsp_stage import Stage


@pytest.fixture
def stage(database_url: str, tmp_path) -> Iterator[Stage]:
    """On SQLite and on PostgreSQL."""
    made = Stage(database_url, tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def lone_stage(sqlite_url: str, tmp_path) -> Iterator[Stage]:
    """On SQLite, for what does not depend on the database."""
    made = Stage(sqlite_url, tmp_path)
    yield made
    made.services.close()


@pytest.fixture
def notes() -> fleet.Notes:
    return fleet.Notes()
