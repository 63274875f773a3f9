"""How a version is run travels with its windows and its release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import stored
from sqlalchemy import select
from web_client import TestClient

from monitor.services import Services
from monitor.store import releases
from monitor.store.tables import AuditRow, ReleaseRow, WindowRow
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.build import NO_BUILD, Build
from vigil.errors import WireError
from vigil.windows import wire
from vigil.windows.window import Window

BUILD = Build(preprocessing="resize-224", hardware="L4", schema="boxes-2")


@pytest.fixture
def client(lone_services: Services) -> Iterator[TestClient]:
    app = create_app(lone_services)
    where = "http://127.0.0.1:8080"
    with lone_services.sessions.begin() as session:
        token = create_token(session, name="ci", scope="operator", actor="test", at=stored.NOON)
    with TestClient(app, base_url=where, client=("127.0.0.1", 5000)) as opened:
        opened.headers["Authorization"] = f"Bearer {token}"
        yield opened


def test_a_window_carries_its_build_into_the_database(services: Services) -> None:
    sent = replace(stored.window(1), build=BUILD)
    assert Window.from_bytes(sent.to_bytes()).build == BUILD
    (receipt,) = services.ingest.windows([sent.to_bytes()])
    assert receipt.status == "accepted"
    with services.sessions() as session:
        row = session.scalars(select(WindowRow)).one()
    assert (row.preprocessing, row.hardware, row.schema_version) == (
        "resize-224",
        "L4",
        "boxes-2",
    )


def test_a_window_of_an_older_tap_says_nothing_of_its_build(services: Services) -> None:
    """Its bytes are what they were."""
    old = stored.window(1)
    header, _ = wire.unpack(old.to_bytes())
    assert "build" not in header
    assert Window.from_bytes(old.to_bytes()).build == NO_BUILD
    services.ingest.windows([old.to_bytes()])
    with services.sessions() as session:
        assert session.scalars(select(WindowRow.schema_version)).one() == ""


@pytest.mark.parametrize("build", [{"schema": 7}, "L4", ["L4"], {"hardware": None}])
def test_a_build_that_is_not_text_makes_no_window(build: Any) -> None:
    header, arrays = wire.unpack(stored.window(1).to_bytes())
    blob = wire.pack({**header, "build": build}, arrays)
    with pytest.raises(WireError, match="not a window"):
        Window.from_bytes(blob)


@pytest.mark.parametrize("name", ["x" * 201, "a\nb"])
def test_a_name_that_no_page_could_show_is_refused(services: Services, name: str) -> None:
    sent = replace(stored.window(1), build=Build(hardware=name))
    (receipt,) = services.ingest.windows([sent.to_bytes()])
    assert receipt.status == "rejected"
    assert "hardware: expected at most 200 printable characters" in receipt.reason


def test_a_release_is_announced_with_its_share_and_build(
    lone_services: Services, client: TestClient
) -> None:
    lone_services.ingest.windows([stored.window(1).to_bytes()])
    body = {
        "model": "digits",
        "version": "v2",
        "share": 0.1,
        "preprocessing": "resize-224",
        "hardware": "L4",
        "schema": "boxes-2",
    }
    answer = client.post("/v1/releases", json=body)
    assert answer.status_code == 201, answer.text
    listed, _ = client.get("/v1/releases").json()
    assert (listed["share"], listed["schema_version"]) == (0.1, "boxes-2")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"share": 0}, "share"), ({"share": 1.5}, "share"), ({"schema": "a\nb"}, "schema")],
)
def test_a_release_that_cannot_be_is_refused(
    client: TestClient, wrong: dict[str, object], said: str
) -> None:
    answer = client.post("/v1/releases", json={"model": "digits", "version": "v2", **wrong})
    assert answer.status_code == 422
    assert said in answer.text


def test_a_canary_that_is_widened_stays_one_release(lone_services: Services) -> None:
    """Its start does not move: what began with its first tenth began with the release."""
    began = stored.NOON
    for share, build in ((0.1, BUILD), (1.0, NO_BUILD)):
        with lone_services.sessions.begin() as session:
            releases.announce(
                session,
                model="digits",
                deployment="production",
                version="v2",
                actor="ci",
                at=lone_services.clock.now(),
                share=share,
                build=build,
            )
        lone_services.clock.advance(60.0)  # type: ignore[attr-defined]
    with lone_services.sessions() as session:
        (row,) = session.scalars(select(ReleaseRow))
        audited = [one.data for one in session.scalars(select(AuditRow).order_by(AuditRow.id))]
    assert (row.share, row.started_at, row.schema_version) == (1.0, began, "boxes-2")
    assert audited[0]["share"] == 0.1
