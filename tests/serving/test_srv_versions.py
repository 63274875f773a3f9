"""A model's ledger, as the API and people get it."""

from __future__ import annotations

import pytest
import small_fleet as fleet
from srv_scene import FAMILY, Scene
from web_client import TestClient

from monitor.serving.versions import ledger
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.errors import NotFoundError


def test_the_ledger_tells_what_served_and_what_should(scene: Scene) -> None:
    scene.release("v1", -100, known_good=True)
    scene.release("v2", 10, previous="v1", share=0.25, schema_version="boxes-2")
    scene.registry.promote(*FAMILY, "v1", actor="ci")
    scene.windows(20, first=0, last=20, records=6)
    scene.windows(20, first=10, last=20, version="v2", records=2, source="host-2")
    scene.enter(20)
    assert scene.looked(22) == []
    with scene.services.sessions() as session:
        found = ledger(session, scene.services.settings, *FAMILY, at=scene.clock.now())
    assert (found.registry, found.problem) == ("v1", "")
    assert found.announced is not None
    assert found.announced.shares == {"v2": 0.25, "v1": 0.75}
    newest, oldest = found.spans
    assert (newest.version, newest.share, newest.serves) == ("v2", pytest.approx(0.25), True)
    assert (oldest.version, oldest.records) == ("v1", 126)
    assert [one.version for one in found.events] == ["v2", "v1"]
    assert "25% of the traffic, schema boxes-2" in found.events[0].text


def test_it_is_read_over_http(lone_scene: Scene) -> None:
    lone_scene.release("v1")
    lone_scene.looked(1)
    app = create_app(lone_scene.services)
    where = "/v1/versions/digits/production"
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 1)) as client:
        plain = client.get(where).json()
        assert client.get("/v1/versions/nobody/production").status_code == 404
    assert plain["announced"]["shares"] == {"v1": 1.0}
    assert (plain["mismatches"], plain["seen"]) == ([], {})


def test_beyond_this_machine_reading_needs_a_token(lone_scene: Scene) -> None:
    lone_scene.release("v1")
    with lone_scene.services.sessions.begin() as session:
        token = create_token(session, name="v", scope="viewer", actor="t", at=fleet.NOON)
    app = create_app(lone_scene.services)
    where = "/v1/versions/digits/production"
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("10.0.0.9", 1)) as client:
        assert client.get(where).status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert client.get(where, headers=bearer).status_code == 200


def test_nothing_is_told_of_a_model_that_nobody_knows(lone_scene: Scene) -> None:
    settings = lone_scene.services.settings
    with lone_scene.services.sessions() as session, pytest.raises(NotFoundError, match="nobody"):
        ledger(session, settings, "nobody", "production", at=fleet.NOON)
