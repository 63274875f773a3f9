"""The API end to end: what it takes in, what it answers, and whom it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import stored
from incident_rows import incident_row
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from web_client import TestClient

from monitor.services import Services
from monitor.store import baselines
from monitor.store.tables import (
    ActionRow,
    AuditRow,
    IncidentRow,
    ReleaseRow,
    TickRow,
    TimelineRow,
    WindowRow,
)
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.clock import ManualClock
from vigil.windows import wire
from vigil.windows.ruler import Ruler

HOME = "http://127.0.0.1:8080"


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    app = create_app(services)
    with TestClient(app, base_url=HOME, client=("127.0.0.1", 5000)) as opened:
        yield opened


def bearer(services: Services, scope: str) -> dict[str, str]:
    with services.sessions.begin() as session:
        token = create_token(session, name=scope, scope=scope, actor="test", at=stored.NOON)
    return {"Authorization": f"Bearer {token}"}


def add_incident(services: Services, **values: object) -> int:
    with services.sessions.begin() as session:
        columns: dict[str, object] = {
            "cause": "model_regression",
            "severity": "critical",
            "model": "digits",
            "model_version": "v2",
            "slice": "all traffic",
            "title": "digits v2 is worse than v1",
            "reasons": ["began with the release"],
        }
        row = incident_row(stored.NOON, **{**columns, **values})
        session.add(row)
        session.flush()
        return row.id


def add_action(services: Services, incident_id: int, state: str = "waiting") -> int:
    with services.sessions.begin() as session:
        row = ActionRow(
            incident_id=incident_id,
            kind="rollback",
            state=state,
            plan={"to_version": "v1"},
            plan_hash="abc123",
            decision={"outcome": "wait"},
            created_at=stored.NOON,
            updated_at=stored.NOON,
        )
        session.add(row)
        session.flush()
        return row.id


def test_windows_are_taken_in_with_receipts(services: Services, client: TestClient) -> None:
    """Two good windows and a damaged one: each has its receipt, in order."""
    blobs = [stored.window(1).to_bytes(), b"junk", stored.window(2).to_bytes()]
    answer = client.post(
        "/v1/windows", content=wire.join(blobs), headers=bearer(services, "ingest")
    )
    assert answer.status_code == 200
    receipts = answer.json()["receipts"]
    assert [one["status"] for one in receipts] == ["accepted", "rejected", "accepted"]
    assert receipts[0] == {
        "source": "cam.host-1",
        "boot": "b1",
        "sequence": 1,
        "status": "accepted",
        "reason": "",
    }
    listed = client.get("/v1/windows", params={"model": "digits"}).json()
    assert {one["sequence"] for one in listed} == {1, 2}


def test_damaged_framing_is_the_senders_mistake(services: Services, client: TestClient) -> None:
    """A body that can't be cut into windows is a 400, and nothing is stored."""
    answer = client.post(
        "/v1/windows", content=b"\xff\xff\xff\xff", headers=bearer(services, "ingest")
    )
    assert answer.status_code == 400
    assert client.get("/v1/windows").json() == []


def test_ruler_is_handed_out(services: Services, client: TestClient) -> None:
    """A collector gets the ruler of the active baseline; without a baseline, a 404 says so."""
    made = stored.baseline()
    assert client.get("/v1/rulers/digits/v1").status_code == 404
    posted = client.post(
        "/v1/baselines", content=made.to_bytes(), headers=bearer(services, "operator")
    )
    assert (posted.status_code, posted.json()["sha256"]) == (201, made.sha256)
    answer = client.get("/v1/rulers/digits/v1")
    assert Ruler.from_bytes(answer.content).id == made.ruler.id
    assert [one["state"] for one in client.get("/v1/baselines").json()] == ["active"]


def test_baseline_must_be_one(services: Services, client: TestClient) -> None:
    """Other bytes, or a changed baseline, are refused."""
    headers = bearer(services, "operator")
    assert client.post("/v1/baselines", content=b"junk", headers=headers).status_code == 400
    window = stored.window(1).to_bytes()
    answer = client.post("/v1/baselines", content=window, headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "expected a baseline, found 'window'",
    )


def test_label_finds_its_prediction(services: Services, client: TestClient) -> None:
    """A label by id is joined; one for an unknown record is a clear rejection."""
    headers = bearer(services, "ingest")
    services.ingest.windows([stored.window(1).to_bytes()])
    body = {
        "labels": [
            {"id": "cam.host-1.b1.1002", "label": 2},
            {"id": "cam.host-1.b1.99999", "label": 2},
        ]
    }
    receipts = client.post("/v1/labels", json=body, headers=headers).json()["receipts"]
    assert [one["status"] for one in receipts] == ["accepted", "rejected"]
    assert receipts[1]["reason"].startswith("unknown record: no window")


def test_release_is_announced_and_recorded(services: Services, client: TestClient) -> None:
    """A pipeline announces v2 after v1; the audit names who did."""
    headers = bearer(services, "operator")
    body = {"model": "digits", "version": "v1"}
    refused = client.post("/v1/releases", json=body, headers=headers)
    assert (refused.status_code, refused.json()["detail"]) == (
        404,
        "digits in production: there is no such model: declare it under [[models]] in the "
        "configuration, or let a tap report it first",
    )
    heartbeat = stored.window(1, end=stored.NOON - timedelta(days=1)).to_bytes()
    services.ingest.windows([heartbeat])
    for version in ("v1", "v2", "v2"):
        body = {"model": "digits", "version": version, "known_good": version == "v1"}
        answer = client.post("/v1/releases", json=body, headers=headers)
        assert answer.status_code == 201
        services.clock.advance(60)  # type: ignore[attr-defined]
    listed = client.get("/v1/releases", params={"model": "digits"}).json()
    assert [(one["version"], one["previous"], one["known_good"]) for one in listed] == [
        ("v2", "v1", False),
        ("v1", None, True),
    ]
    with services.sessions() as session:
        audits = session.scalars(select(AuditRow).where(AuditRow.what == "release announced")).all()
    assert [row.actor for row in audits] == ["operator"] * 3


def test_incident_is_worked_on(services: Services, client: TestClient) -> None:
    """Acknowledged, judged, resolved; every step is in the timeline with its actor."""
    number = add_incident(services)
    headers = bearer(services, "operator")
    path = f"/v1/incidents/{number}"
    assert client.post(f"{path}/acknowledge", headers=headers).json()["state"] == "acknowledged"
    body = {"disposition": "true_alarm"}
    assert client.post(f"{path}/disposition", json=body, headers=headers).status_code == 200
    story = client.post(f"{path}/resolve", json={"note": "fixed"}, headers=headers).json()
    assert (story["state"], story["disposition"], story["version"]) == ("resolved", "true_alarm", 4)
    assert [(one["kind"], one["actor"]) for one in story["timeline"]] == [
        ("acknowledged", "operator"),
        ("disposition", "operator"),
        ("resolved", "operator"),
    ]
    assert client.get("/v1/incidents", params={"state": "unresolved"}).json() == []
    assert client.get(path).json()["title"] == "digits v2 is worse than v1"


def test_resolve_beats_a_late_acknowledgement(services: Services, client: TestClient) -> None:
    """An acknowledgement after the resolve is refused and changes nothing."""
    number = add_incident(services)
    headers = bearer(services, "operator")
    client.post(f"/v1/incidents/{number}/resolve", headers=headers)
    answer = client.post(f"/v1/incidents/{number}/acknowledge", headers=headers)
    assert answer.status_code == 409
    with services.sessions() as session:
        assert session.get_one(IncidentRow, number).state == "resolved"
        assert len(session.scalars(select(TimelineRow)).all()) == 1


def test_unknown_incident_is_a_404(services: Services, client: TestClient) -> None:
    """Reading or changing what is not there says so."""
    headers = bearer(services, "operator")
    assert client.get("/v1/incidents/7").status_code == 404
    assert client.post("/v1/incidents/7/acknowledge", headers=headers).status_code == 404


def test_approval_binds_to_the_plan(services: Services, client: TestClient) -> None:
    """Another hash is refused; the right one is recorded with who and when."""
    action = add_action(services, add_incident(services))
    headers = bearer(services, "approver")
    wrong = client.post(f"/v1/actions/{action}/approve", json={"plan_hash": "x"}, headers=headers)
    assert wrong.status_code == 409
    right = client.post(
        f"/v1/actions/{action}/approve", json={"plan_hash": "abc123"}, headers=headers
    ).json()
    assert right["approved_by"] == "approver"
    assert right["decision"]["approval"]["plan_hash"] == "abc123"
    assert right["decision"]["outcome"] == "wait"


def test_action_that_waits_for_nobody_is_not_approved(
    services: Services, client: TestClient
) -> None:
    """A refused or finished action can't be approved back to life."""
    action = add_action(services, add_incident(services), state="refused")
    answer = client.post(
        f"/v1/actions/{action}/approve",
        json={"plan_hash": "abc123"},
        headers=bearer(services, "approver"),
    )
    assert answer.status_code == 409
    assert client.get("/v1/actions").json()[0]["approved_by"] is None


def test_all_actions_can_be_stopped(services: Services, client: TestClient) -> None:
    """The switch shows in the status, with who turned it in the audit."""
    headers = bearer(services, "approver")
    for stopped in (True, False, True):
        answer = client.post(
            "/v1/switches/actions_stopped", json={"stopped": stopped}, headers=headers
        )
        assert answer.json()["on"] is stopped
    assert client.get("/v1/status").json()["actions_stopped"] is True


def test_status_says_what_waits(services: Services, client: TestClient) -> None:
    """Waiting windows, open incidents and rejections are counted."""
    services.ingest.windows([stored.window(1).to_bytes(), b"junk"])
    add_incident(services)
    status = client.get("/v1/status").json()
    assert (status["windows_waiting"], status["incidents_open"]) == (1, 1)
    assert [(one["reason"], one["count"]) for one in status["rejections"]] == [("malformed", 1)]
    assert status["last_tick_at"] is None


def test_models_show_who_is_judged(services: Services, client: TestClient) -> None:
    """A model that sends windows is listed; without a baseline it is not verified."""
    services.ingest.windows([stored.window(1).to_bytes()])
    (before,) = client.get("/v1/models").json()
    with services.sessions.begin() as session:
        baselines.add(session, stored.baseline())
    (after,) = client.get("/v1/models").json()
    assert (before["name"], before["version"], before["verified"]) == ("digits", "v1", False)
    assert after["verified"] is True


def test_metrics_tell_the_story(services: Services, client: TestClient) -> None:
    """Gauges are read from the database at the scrape; resolved incidents leave."""
    services.ingest.windows([stored.window(1).to_bytes()])
    number = add_incident(services)
    text_ = client.get("/metrics").text
    open_ = 'vigil_incidents_open{deployment="production",model="digits",severity="critical"} 1.0'
    assert open_ in text_
    assert 'vigil_source_last_window_timestamp_seconds{deployment="production"' in text_
    client.post(f"/v1/incidents/{number}/resolve", headers=bearer(services, "operator"))
    assert "vigil_incidents_open{" not in client.get("/metrics").text


def test_ready_until_ticks_are_late(
    services: Services, client: TestClient, clock: ManualClock
) -> None:
    """Without any tick the service is ready; an old last tick makes it late."""
    assert client.get("/readyz").status_code == 200
    with services.sessions.begin() as session:
        session.add(
            TickRow(
                end_at=stored.NOON,
                started_at=stored.NOON,
                duration_ms=1.0,
                windows=0,
                streams=0,
                holder="a",
            )
        )
    clock.advance(330)
    assert client.get("/readyz").status_code == 200
    clock.advance(1)
    late = client.get("/readyz")
    assert (late.status_code, late.json()["status"]) == (503, "late")
    assert late.headers["Retry-After"]
    assert client.get("/healthz").status_code == 200


def test_body_beyond_its_limit_is_refused(services: Services, client: TestClient) -> None:
    """A declared or a streamed body over the limit is a 413."""
    headers = bearer(services, "ingest")
    big = {**headers, "Content-Length": str(2**40)}
    assert client.post("/v1/windows", content=b"x", headers=big).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(9):
            yield bytes(2**20)

    assert client.post("/v1/labels", content=endless(), headers=headers).status_code == 413


def test_malformed_json_says_what_was_expected(services: Services, client: TestClient) -> None:
    """Unknown fields and wrong types are a 422 that names the field."""
    answer = client.post(
        "/v1/labels",
        json={"labels": [{"id": "a", "label": "cat"}], "x": 1},
        headers=bearer(services, "ingest"),
    )
    assert answer.status_code == 422
    assert {tuple(one["loc"]) for one in answer.json()["detail"]} == {
        ("body", "labels", 0, "label"),
        ("body", "x"),
    }


def test_times_must_say_their_zone(client: TestClient) -> None:
    """A time without a zone has no meaning."""
    assert client.get("/v1/windows", params={"since": "2026-11-20T12:00:00"}).status_code == 422
    assert client.get("/v1/windows", params={"since": "2026-11-20T12:00:00Z"}).status_code == 200


def test_database_away_means_come_again(services: Services, client: TestClient) -> None:
    """While the database is away the answer is 503; afterwards the window gets in once."""
    headers = bearer(services, "ingest")
    body = wire.join([stored.window(1).to_bytes()])

    def away(_connection: object) -> None:
        raise OperationalError("BEGIN", {}, Exception("the server is gone"))

    event.listen(services.engine, "begin", away)
    try:
        broken = client.post("/v1/windows", content=body, headers=headers)
        probe = client.get("/readyz")
    finally:
        event.remove(services.engine, "begin", away)
    assert (broken.status_code, broken.headers["Retry-After"]) == (503, "5")
    assert "gone" not in broken.text
    assert (probe.status_code, probe.json()["status"]) == (503, "away")
    again = client.post("/v1/windows", content=body, headers=headers)
    assert again.json()["receipts"][0]["status"] == "accepted"
    with services.sessions() as session:
        assert len(session.scalars(select(WindowRow)).all()) == 1


def test_openapi_describes_every_path(client: TestClient) -> None:
    """The description is there and every operation says what it does."""
    schema = client.get("/v1/openapi.json").json()
    operations = [
        operation
        for path, methods in schema["paths"].items()
        if path.startswith("/v1")
        for operation in methods.values()
    ]
    assert len(operations) >= 18
    assert all(operation["description"] for operation in operations)


def test_observed_release_is_taken_over_by_the_announcement(
    services: Services, client: TestClient
) -> None:
    """The window came before the announcement: still one release, from the window's time."""
    services.ingest.windows([stored.window(1, end=stored.NOON - timedelta(minutes=5)).to_bytes()])
    client.post(
        "/v1/releases",
        json={"model": "digits", "version": "v1"},
        headers=bearer(services, "operator"),
    )
    with services.sessions() as session:
        (row,) = session.scalars(select(ReleaseRow)).all()
    assert (row.origin, row.started_at) == ("announced", stored.NOON - timedelta(minutes=6))
