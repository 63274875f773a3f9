"""Accepting an incident as the new normal through the API."""

from __future__ import annotations

import stored
from sqlalchemy import select
from test_web_api import HOME, add_incident, bearer
from web_client import TestClient

from monitor.services import Services
from monitor.store.tables import AuditRow
from monitor.web.app import create_app


def test_the_api_accepts_with_a_reason_and_the_right_token(lone_services: Services) -> None:
    """The answer is the incident's story; who and why is in the audit. A second time is late."""
    key = add_incident(lone_services)
    path = f"/v1/incidents/{key}/accept"
    viewer, operator = bearer(lone_services, "viewer"), bearer(lone_services, "operator")
    with TestClient(create_app(lone_services), base_url=HOME, client=("127.0.0.1", 5000)) as client:
        assert client.post(path, json={"reason": "x"}, headers=viewer).status_code == 403
        assert client.post(path, json={}, headers=operator).status_code == 422
        answer = client.post(path, json={"reason": "a new site"}, headers=operator)
        assert (answer.status_code, answer.json()["disposition"]) == (200, "expected")
        assert "accepted" in {one["kind"] for one in answer.json()["timeline"]}
        assert client.post(path, json={"reason": "again"}, headers=operator).status_code == 409
    with lone_services.sessions() as session:
        query = select(AuditRow).where(AuditRow.what == "incident accepted")
        row = session.scalars(query).one()
    assert (row.actor, row.data["reason"]) == ("operator", "a new site")
    assert row.at == stored.NOON
