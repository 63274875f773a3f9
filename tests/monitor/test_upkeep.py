"""Labels at scale, sources that are gone, and what outsiders are not told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import stored
from sqlalchemy import event, select
from test_web_api import HOME, bearer
from web_client import TestClient

from monitor.forget import forget
from monitor.ingest.labels import find_places, find_predictions
from monitor.retention import sweep
from monitor.services import Services
from monitor.settings.schema import Retention
from monitor.store.database import open_engine
from monitor.store.tables import SourceRow
from monitor.store.windows import unpack_ledger
from monitor.web.app import create_app
from vigil.errors import ConfigError


class Unsearched(tuple[str, ...]):
    """Ids that nobody may search from their start."""

    def index(self, *arguments: object) -> int:
        raise AssertionError("searched")


def test_a_chosen_id_is_found_where_it_was_stored(
    lone_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its position, without a search; also after a record before it was forgotten."""
    lone_services.ingest.windows([stored.window(1, ids=[*"abcdefghi"]).to_bytes()])

    def unsearched(raw: bytes) -> Any:
        ledger, keys, cells = unpack_ledger(raw)
        return replace(ledger, ids=Unsearched(ledger.ids)), keys, cells

    with monkeypatch.context() as patched, lone_services.sessions() as session:
        patched.setattr("monitor.ingest.labels.unpack_ledger", unsearched)
        assert find_predictions(session, ["i"])["i"].prediction == 8
    forget(lone_services, "b", actor="ann")
    with lone_services.sessions() as session:
        found = find_predictions(session, ["a", "b", "c", "i"])
    assert {name: one.prediction for name, one in found.items()} == {"a": 0, "c": 2, "i": 8}


def test_only_ledgers_that_hold_a_wanted_record_are_read(lone_services: Services) -> None:
    """Labels of the first and the last window do not load the ledgers between."""
    lone_services.ingest.windows([stored.window(i).to_bytes() for i in range(12)])
    read: list[int] = []

    def note(*arguments: object) -> None:
        if "windows.ledger" in str(arguments[2]).partition("FROM")[0]:
            read.append(1)

    event.listen(lone_services.engine, "before_cursor_execute", note)
    wanted = ["cam.host-1.b1.1", "cam.host-1.b1.11001"]
    with lone_services.sessions() as session:
        found = find_places(session, [*wanted, "cam.host-1.b1.500"])
    assert set(found) == set(wanted)
    assert len(read) == 2


def test_sources_that_were_silent_for_long_are_forgotten(lone_services: Services) -> None:
    """As long ago as windows are kept; the others stay."""
    now = lone_services.clock.now()
    with lone_services.sessions.begin() as session:
        for name, days in (("old", 31), ("young", 29)):
            at = now - timedelta(days=days)
            session.add(
                SourceRow(
                    source=name,
                    model="digits",
                    deployment="production",
                    version="v1",
                    boot="b1",
                    first_seen_at=at,
                    last_window_at=at,
                )
            )
    sweep(lone_services.sessions, lone_services.samples, Retention(windows_days=30), now=now)
    with lone_services.sessions() as session:
        assert session.scalars(select(SourceRow.source)).all() == ["young"]


@pytest.mark.parametrize("url", ["postgresql:/vigil:hunter2@db/vigil", "vigil:hun@ter2@db"])
def test_a_malformed_url_is_shown_without_its_password(url: str) -> None:
    """Not even parts of one that holds an @."""
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    assert "hun" not in str(caught.value)
    assert "***@db" in str(caught.value)


def test_the_schema_is_shown_to_readers_only(lone_services: Services) -> None:
    """Beyond loopback it needs a token, as every read does."""
    app = create_app(lone_services)
    with TestClient(app, base_url=HOME, client=("10.0.0.9", 5000)) as client:
        assert client.get("/v1/openapi.json").status_code == 401
        answer = client.get("/v1/openapi.json", headers=bearer(lone_services, "viewer"))
        assert "/v1/incidents/{incident_id}/accept" in answer.json()["paths"]
