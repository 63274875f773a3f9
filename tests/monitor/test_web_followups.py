"""The API of what follows an incident: corrective actions, runbook steps, post-mortem."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stored
from incident_rows import incident_row
from sqlalchemy import select
from web_client import TestClient

from monitor.services import Services
from monitor.store.tables import AuditRow, RunbookTickRow
from monitor.web.app import create_app
from monitor.web.auth import create_token

DUE = "2026-12-01T09:00:00Z"


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    app = create_app(services)
    home = "http://127.0.0.1:8080"
    with TestClient(app, base_url=home, client=("127.0.0.1", 5000)) as opened:
        with services.sessions.begin() as session:
            token = create_token(session, name="ann", scope="operator", actor="t", at=stored.NOON)
        opened.headers["Authorization"] = f"Bearer {token}"
        yield opened


@pytest.fixture
def incident(services: Services) -> str:
    with services.sessions.begin() as session:
        row = incident_row(stored.NOON, title="<b>Camera</b> c7 lost focus")
        session.add(row)
        session.flush()
        return f"/v1/incidents/{row.id}"


def test_a_corrective_action_is_added_listed_and_closed_once(
    services: Services, client: TestClient, incident: str
) -> None:
    body = {"text": "a hood for the lens", "owner": "bo", "due_at": DUE}
    made = client.post(f"{incident}/followups", json=body)
    assert made.status_code == 201
    one = made.json()
    assert (one["state"], one["owner"], one["created_by"]) == ("open", "bo", "ann")
    assert one["due_at"].startswith("2026-12-01T09:00:00")
    assert [each["id"] for each in client.get("/v1/followups?state=open").json()] == [one["id"]]
    close = f"/v1/followups/{one['id']}/close"
    done = client.post(close, json={"state": "done", "note": "fitted"}).json()
    assert (done["state"], done["closed_by"], done["note"]) == ("done", "ann", "fitted")
    late = {"state": "dropped", "note": "not needed"}
    assert client.post(close, json=late).status_code == 409
    assert client.post(close, json={"state": "dropped"}).status_code == 422  # and why?
    assert client.get("/v1/followups?state=open").json() == []
    with services.sessions() as session:
        assert {row.actor for row in session.scalars(select(AuditRow))} >= {"ann"}


@pytest.mark.parametrize(
    ("body", "status"),
    [({"text": ""}, 422), ({"text": "x", "due_at": "2026-12-01T09:00:00"}, 422), ({}, 422)],
)
def test_a_corrective_action_that_says_too_little_is_refused(
    client: TestClient, incident: str, body: dict[str, str], status: int
) -> None:
    """No text, and a time without its zone."""
    assert client.post(f"{incident}/followups", json=body).status_code == status


def test_a_step_is_ticked_by_someone_and_taken_back(
    services: Services, client: TestClient, incident: str
) -> None:
    ticked = client.post(f"{incident}/steps", json={"step": 2}).json()
    assert ticked["runbook"] == "input_fault"
    found = {one["number"]: one["done_by"] for one in ticked["steps"]}
    assert (found[1], found[2]) == (None, "ann")
    assert client.get(f"{incident}/steps").json() == ticked
    back = client.post(f"{incident}/steps", json={"step": 2, "done": False}).json()
    assert {one["done_by"] for one in back["steps"]} == {None}
    with services.sessions() as session:
        assert session.scalars(select(RunbookTickRow)).all() == []


@pytest.mark.parametrize("body", [{"step": 99}, {"step": 1, "runbook": "of nobody"}])
def test_a_step_that_is_not_there_is_named(
    client: TestClient, incident: str, body: dict[str, object]
) -> None:
    assert client.post(f"{incident}/steps", json=body).status_code == 404


def test_the_post_mortem_comes_as_text_or_as_a_page(client: TestClient, incident: str) -> None:
    """What people typed is text in both."""
    text = client.get(f"{incident}/export")
    assert text.headers["content-type"].startswith("text/markdown")
    assert "lost focus" in text.text
    page = client.get(f"{incident}/export?format=html")
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;b&gt;Camera&lt;/b&gt; c7 lost focus" in page.text
    assert "<b>Camera</b>" not in page.text
    assert client.get(f"{incident}/export?format=pdf").status_code == 422
    assert client.get("/v1/incidents/999/export").status_code == 404
