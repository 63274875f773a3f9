"""The API of messages and receivers: who may read, who may send again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stored
from web_client import TestClient

from monitor.services import Services
from monitor.store.tables import OutboxRow
from monitor.web.app import create_app
from monitor.web.auth import create_token


@pytest.fixture
def client(lone_services: Services) -> Iterator[TestClient]:
    app = create_app(lone_services)
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5000)) as opened:
        yield opened


@pytest.fixture
def dead(lone_services: Services) -> int:
    with lone_services.sessions.begin() as session:
        row = OutboxRow(
            dedup_key="m-1",
            receiver="pager",
            event="trigger",
            message={},
            state="dead",
            created_at=stored.NOON,
            next_attempt_at=stored.NOON,
            last_error="HTTP 403",
        )
        session.add(row)
        session.flush()
        return row.id


def bearer(services: Services, scope: str) -> dict[str, str]:
    with services.sessions.begin() as session:
        token = create_token(session, name=scope, scope=scope, actor="test", at=stored.NOON)
    return {"Authorization": f"Bearer {token}"}


def test_dead_messages_are_read_by_viewers_and_sent_again_by_operators(
    client: TestClient, lone_services: Services, dead: int
) -> None:
    operator = bearer(lone_services, "operator")
    (row,) = client.get("/v1/deliveries").json()
    assert (row["id"], row["state"], row["last_error"]) == (dead, "dead", "HTTP 403")
    (receiver,) = client.get("/v1/receivers").json()
    assert (receiver["receiver"], receiver["state"], receiver["dead"]) == ("pager", "up", 1)
    path = f"/v1/deliveries/{dead}"
    assert client.post(f"{path}/resend").status_code == 401
    viewer = bearer(lone_services, "viewer")
    assert client.post(f"{path}/resend", headers=viewer).status_code == 403
    assert client.post(f"{path}/resend", headers=operator).json()["state"] == "waiting"
    assert client.post(f"{path}/resend", headers=operator).status_code == 409
    assert client.post(f"{path}/drop", headers=operator).json()["state"] == "withdrawn"
    assert client.post("/v1/deliveries/77/drop", headers=operator).status_code == 404
    assert client.get("/v1/deliveries?state=lost").status_code == 422
