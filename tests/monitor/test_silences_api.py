"""The API of silences: made, tried, listed, ended; by whom, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import stored
from incident_rows import incident_row
from label_rows import label_row
from sqlalchemy import select
from web_client import TestClient

from monitor.services import Services
from monitor.store.tables import AuditRow, SilenceRow, TimelineRow
from monitor.web.app import create_app
from monitor.web.auth import create_token

NOON = stored.NOON
HOUR = timedelta(hours=1)


@pytest.fixture
def client(lone_services: Services) -> Iterator[TestClient]:
    app = create_app(lone_services)
    with TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5000)) as opened:
        yield opened


def bearer(services: Services, scope: str) -> dict[str, str]:
    with services.sessions.begin() as session:
        token = create_token(session, name=scope, scope=scope, actor="test", at=NOON)
    return {"Authorization": f"Bearer {token}"}


def body(**values: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "matchers": [{"label": "camera", "op": "=~", "value": "c7|c8"}],
        "ends_at": (NOON + 2 * HOUR).isoformat(),
        "comment": "lens",
    }
    return {**plain, **values}


def test_a_silence_is_made_listed_extended_and_ended(
    client: TestClient, lone_services: Services
) -> None:
    """The answer says what it holds back; the list what it is by now."""
    with lone_services.sessions.begin() as session:
        session.add(incident_row(NOON))
    operator = bearer(lone_services, "operator")
    made = client.post("/v1/silences", json=body(), headers=operator)
    assert made.status_code == 201, made.text
    silence, shown = made.json()["silence"], made.json()["preview"]
    assert (silence["name"], silence["state"], silence["created_by"]) == (
        "S-1",
        "active",
        "operator",
    )
    assert shown["text"].startswith("would silence 1 open incident")
    assert shown["open"][0]["labels"]["camera"] == "c7"
    later = {"ends_at": (NOON + 5 * HOUR).isoformat()}
    longer = client.post("/v1/silences/1/extend", json=later, headers=operator).json()
    assert longer["until"] == (NOON + 5 * HOUR).isoformat().replace("+00:00", "Z")
    assert client.get("/v1/silences?state=active").json() == [longer]
    assert client.post("/v1/silences/1/end", headers=operator).json()["state"] == "expired"
    assert client.post("/v1/silences/1/end", headers=operator).status_code == 409
    assert client.get("/v1/silences?state=active").json() == []
    assert client.get("/v1/silences/1").json()["ended_by"] == "operator"
    with lone_services.sessions() as session:
        query = select(AuditRow.what).where(AuditRow.subject == "S-1").order_by(AuditRow.id)
        said = session.scalars(query).all()
    assert said == ["silence created", "silence extended", "silence ended"]


def test_a_preview_makes_nothing(client: TestClient, lone_services: Services) -> None:
    answer = client.post(
        "/v1/silences", json=body(preview=True), headers=bearer(lone_services, "operator")
    )
    assert (answer.status_code, answer.json()["silence"]) == (200, None)
    assert client.get("/v1/silences").json() == []


def test_a_recurring_maintenance_window_says_when_it_begins(
    client: TestClient, lone_services: Services
) -> None:
    """NOON is a Friday; Saturday at noon is the next window."""
    again = {"rule": "FREQ=WEEKLY;BYDAY=SA", "time_zone": "UTC", "duration_s": 3600}
    answer = client.post(
        "/v1/silences",
        json=body(
            kind="maintenance", recurrence=again, ends_at=(NOON + 30 * 24 * HOUR).isoformat()
        ),
        headers=bearer(lone_services, "operator"),
    )
    silence = answer.json()["silence"]
    assert (silence["state"], silence["recurrence"]) == ("pending", again)
    days = (5 - NOON.weekday()) % 7
    assert silence["next_start"] == (NOON + days * 24 * HOUR).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"matchers": []}, "hold for anything"),
        ({"matchers": [{"label": "a", "op": "=~", "value": "(((("}]}, "a ( without its )"),
        ({"matchers": [{"label": "a", "op": "==", "value": "b"}]}, "op"),
        ({"matchers": [{"label": "a", "value": "x" * 501}]}, "value"),
        ({"ends_at": (NOON - HOUR).isoformat()}, "a silence ends after it starts"),
        ({"ends_at": (NOON + 100 * 24 * HOUR).isoformat()}, "at most 90 days"),
        ({"ends_at": "2027-01-01T00:00:00"}, "timezone"),
        ({"comment": ""}, "comment"),
        ({"comment": "a\x00b"}, "comment"),
        ({"kind": "nap"}, "kind"),
        ({"color": "red"}, "color"),
        ({"recurrence": {"rule": "FREQ=SECONDLY", "duration_s": 60}}, "FREQ=DAILY"),
        ({"recurrence": {"rule": "FREQ=DAILY", "duration_s": 60, "time_zone": "X"}}, "time zone"),
    ],
)
def test_what_no_silence_may_say_is_a_422(
    client: TestClient, lone_services: Services, changed: dict[str, Any], why: str
) -> None:
    answer = client.post(
        "/v1/silences", json=body(**changed), headers=bearer(lone_services, "operator")
    )
    assert answer.status_code == 422
    assert why in answer.text
    with lone_services.sessions() as session:
        assert session.scalars(select(SilenceRow)).all() == []


@pytest.mark.parametrize("scope", ["viewer", "ingest", None])
def test_changing_needs_an_operator(
    client: TestClient, lone_services: Services, scope: str | None
) -> None:
    """Reading does not."""
    headers = bearer(lone_services, scope) if scope else {}
    wanted = {401, 403}
    for path, sent in (
        ("/v1/silences", body()),
        ("/v1/silences/1/end", None),
        ("/v1/silences/1/extend", {"ends_at": NOON.isoformat()}),
    ):
        assert client.post(path, json=sent, headers=headers).status_code in wanted
    reading = client.get("/v1/silences", headers=headers).status_code
    assert reading == (403 if scope == "ingest" else 200)


def test_one_that_is_not_there_is_not_found(client: TestClient, lone_services: Services) -> None:
    operator = bearer(lone_services, "operator")
    assert client.get("/v1/silences/7").status_code == 404
    assert client.post("/v1/silences/7/end", headers=operator).status_code == 404
    assert client.get(f"/v1/silences/{2**64}").status_code == 422
    assert client.get("/v1/silences?state=asleep").status_code == 422


def test_a_release_during_a_freeze_is_recorded_with_a_warning(
    client: TestClient, lone_services: Services
) -> None:
    """In the answer, the audit, and the timeline of what is open for the model."""
    with lone_services.sessions.begin() as session:
        session.add(incident_row(NOON))
        session.add(incident_row(NOON, model="gate"))
        session.add(label_row("r-1"))  # a model that has reported
    operator = bearer(lone_services, "operator")
    release = {"model": "reader", "version": "v2"}
    calm = client.post("/v1/releases", json=release, headers=operator)
    assert (calm.status_code, calm.json()["warning"]) == (201, "")
    frozen = body(
        kind="freeze", matchers=[{"label": "model", "value": "reader"}], comment="year-end"
    )
    assert client.post("/v1/silences", json=frozen, headers=operator).status_code == 201
    made = client.post("/v1/releases", json={**release, "version": "v3"}, headers=operator)
    assert made.status_code == 201
    assert "is under the release freeze S-1 until" in made.json()["warning"]
    with lone_services.sessions() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.what == "release announced"))
        assert ["during" in row.data for row in rows] == [False, True]
        lines = session.scalars(select(TimelineRow)).all()
    assert [(line.incident_id, line.kind) for line in lines] == [(1, "released_in_freeze")]
