"""A seeded fleet, the console's app on it, and a signed-in browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from console_browser import TestClient, browser_on
from console_seed import seed_fleet
from console_world import NOW, Fleet, empty_fleet

from monitor.web.auth import create_token

Browser = Callable[[str], TestClient]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = seed_fleet(empty_fleet(tmp_path_factory.mktemp("fleet")))
    with made.sessions.begin() as session:
        for scope in ("viewer", "operator", "approver", "ingest"):
            made.tokens[scope] = create_token(
                session, name=f"a-{scope}", scope=scope, actor="test", at=NOW - timedelta(days=1)
            )
    yield made
    made.engine.dispose()


@pytest.fixture
def new_fleet(tmp_path: Path) -> Iterator[Fleet]:
    made = empty_fleet(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def client(fleet: Fleet) -> Iterator[TestClient]:
    """Somebody on this machine who is not signed in."""
    with browser_on(fleet) as browser:
        yield browser


@pytest.fixture
def sign_in(fleet: Fleet, client: TestClient) -> Browser:
    def as_scope(scope: str) -> TestClient:
        answer = client.post("/login", data={"token": fleet.tokens[scope], "then": "/"})
        assert answer.status_code == 200, answer.text
        return client

    return as_scope


@pytest.fixture
def csrf() -> Callable[[str], str]:
    """The value that the forms of a page carry."""

    def of(page: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
        assert found, "the page has no form with a CSRF value"
        return found.group(1)

    return of
