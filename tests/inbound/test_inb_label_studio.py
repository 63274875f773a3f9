"""Label Studio's webhook: it makes the queue due, and nothing that it says is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from web_client import TestClient

from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store.samples import MemorySamples
from monitor.store.tables import AnnotationRow, LabelQueueRow
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.clock import ManualClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PATH = "/v1/inbound/label-studio"


@pytest.fixture
def services(sqlite_url: str):
    studio = {"kind": "label-studio", "url": "http://127.0.0.1:9", "token": {"env": "LS"}}
    models = tuple(
        WatchedModel.model_validate(
            {"name": name, "class_names": ("a", "b"), "relabel": {"queue": queue}}
        )
        for name, queue in (("studio", studio), ("folder", {"kind": "files", "url": "labels"}))
    )
    made = open_services(
        Settings(service=Service(database=sqlite_url), models=models),
        clock=ManualClock(NOON),
        samples=MemorySamples(),
    )
    later = NOON + timedelta(hours=1)
    with made.sessions.begin() as session:
        for name in ("studio", "folder"):
            session.add(LabelQueueRow(model=name, deployment="production", name="x", due_at=later))
    yield made
    made.close()


def due(services: Services) -> dict[str, bool]:
    with services.sessions() as session:
        return {row.model: row.due_at <= NOON for row in session.query(LabelQueueRow)}


def headers(services: Services, scope: str) -> dict[str, str]:
    with services.sessions.begin() as session:
        token = create_token(session, name=scope, scope=scope, actor="test", at=NOON)
    return {"Authorization": f"Bearer {token}"}


def test_it_makes_the_queue_due_and_says_nothing_that_counts(services: Services) -> None:
    """Whatever is in its body: the queue itself is asked."""
    client = TestClient(create_app(services), base_url="http://127.0.0.1")
    sent = headers(services, "ingest")
    for body in (b'{"action": "ANNOTATION_CREATED", "annotation": {"id": 1}}', b"\xff", b""):
        assert client.post(PATH, content=body, headers=sent).status_code == 202
    assert due(services) == {"studio": True, "folder": False}
    with services.sessions() as session:
        assert session.query(AnnotationRow).count() == 0


def test_strangers_and_readers_can_not(services: Services) -> None:
    client = TestClient(create_app(services), base_url="http://127.0.0.1")
    assert client.post(PATH, headers={"Authorization": "Bearer vgl_no"}).status_code == 401
    assert client.post(PATH, headers=headers(services, "viewer")).status_code == 403
    assert due(services) == {"studio": False, "folder": False}


def test_a_queue_that_fails_keeps_its_rest(services: Services) -> None:
    """A webhook must not make us knock at a server that is down."""
    with services.sessions.begin() as session:
        session.query(LabelQueueRow).filter_by(model="studio").update({"failures": 3})
    client = TestClient(create_app(services), base_url="http://127.0.0.1")
    assert client.post(PATH, headers=headers(services, "ingest")).status_code == 202
    assert due(services) == {"studio": False, "folder": False}
