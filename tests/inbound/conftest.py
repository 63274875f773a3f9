"""A service that can be told things, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from inb_scene import SECRETS, Scene


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def scene(database_url: str) -> Iterator[Scene]:
    """On SQLite and on PostgreSQL."""
    made = Scene(database_url)
    made.start()
    yield made
    made.close()


@pytest.fixture
def lone_scene(sqlite_url: str) -> Iterator[Scene]:
    """On SQLite, for what does not depend on the database."""
    made = Scene(sqlite_url)
    made.start()
    yield made
    made.close()


@pytest.fixture
def make_scene(sqlite_url: str) -> Iterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(**values: bool) -> Scene:
        scene = Scene(sqlite_url, **values)
        scene.start()
        made.append(scene)
        return scene

    yield make
    for scene in made:
        scene.close()
