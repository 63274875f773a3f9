"""Alerts of another system become incidents, and end when their sender says so."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from inb_scene import NOON, Scene
from sqlalchemy import func, select

from alerts.external import read_batch
from alerts.types import Incident, IncidentState, Severity
from monitor.response import people
from monitor.store.tables import ExternalAlertRow, IncidentRow, TimelineRow
from monitor.web import auth
from monitor.web.inbound import alertmanager as endpoint
from vigil.errors import WireError
from vigil.types import Cause

NEVER = "0001-01-01T00:00:00Z"


def alert(number: int = 1, *, status: str = "firing", at: datetime = NOON, **labels: str) -> Any:
    named = {"alertname": "HighErrors", "model": "reader", "severity": "critical", **labels}
    return {
        "status": status,
        "labels": {**named, "instance": f"host-{number}"},
        "annotations": {"summary": "5xx above 5 %"},
        "startsAt": at.isoformat().replace("+00:00", ".123456789Z"),
        "endsAt": NEVER if status == "firing" else (at + timedelta(minutes=5)).isoformat(),
        "generatorURL": "http://prometheus:9090/graph",
        "fingerprint": f"{number:016x}",
    }


def payload(*alerts: Any, **more: Any) -> dict[str, Any]:
    return {
        "version": "4",
        "receiver": "vigil",
        "status": "firing",
        "alerts": list(alerts),
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "notification_reason": "a field of a newer server",
        **more,
    }


class Sender:
    """Posts to the endpoint with a token that may send."""

    def __init__(self, scene: Scene) -> None:
        self.url = f"{scene.url}/v1/inbound/alertmanager"
        with scene.services.sessions.begin() as session:
            token = auth.create_token(
                session, name="prometheus", scope="ingest", actor="test", at=NOON
            )
        self.headers = {"Authorization": f"Bearer {token}"}

    def post(self, *alerts: Any, **more: Any) -> int:
        return self.raw(json.dumps(payload(*alerts, **more)).encode())

    def raw(self, body: bytes) -> int:
        return httpx.post(self.url, content=body, headers=self.headers, timeout=60).status_code


def incidents_of(scene: Scene) -> list[Incident]:
    with scene.services.sessions() as session:
        rows = session.scalars(select(IncidentRow).order_by(IncidentRow.id))
        return [Incident.from_columns(row) for row in rows]


def test_an_alert_opens_an_incident_and_its_end_closes_it(scene: Scene) -> None:
    sender = Sender(scene)
    assert sender.post(alert()) == 202
    (made,) = incidents_of(scene)
    assert made.title == "HighErrors on reader: 5xx above 5 %"
    assert (made.model, made.deployment) == ("reader", "production")
    assert (made.cause, made.severity) == (Cause.SERVICE_FAULT, Severity.CRITICAL)
    scene.deliver()
    assert [each.state for each in scene.pagerduty.incidents] == ["triggered"]
    assert ("external alerts", "alertmanager:prometheus") in scene.audited()
    assert sender.post(alert(status="resolved")) == 202
    assert incidents_of(scene)[0].state is IncidentState.RESOLVED
    scene.deliver()
    assert [each.state for each in scene.pagerduty.incidents] == ["resolved"]


def test_ten_thousand_alerts_of_one_upstream_are_one_incident(scene: Scene) -> None:
    """On many models and hosts; one page, and over when the last of them is."""
    sender = Sender(scene)
    storm = [alert(n, upstream="edge-gateway", model=f"m{n % 7}") for n in range(1, 10_001)]
    assert sender.post(*storm) == 202
    (made,) = incidents_of(scene)
    assert "9999 more alerts" in made.title
    scene.deliver()
    assert len(scene.pagerduty.incidents) == 1
    with scene.services.sessions() as session:
        assert session.scalar(select(func.count()).select_from(ExternalAlertRow)) == 10_000
    assert sender.post(*(each | {"status": "resolved"} for each in storm[:-1])) == 202
    assert incidents_of(scene)[0].state is IncidentState.OPEN
    assert sender.post(storm[-1] | {"status": "resolved"}) == 202
    assert incidents_of(scene)[0].state is IncidentState.RESOLVED


def test_a_repeat_tells_nobody_again(lone_scene: Scene) -> None:
    """Alertmanager says what still fires every few hours."""
    sender = Sender(lone_scene)
    for _ in range(3):
        sender.post(alert())
    assert len(incidents_of(lone_scene)) == 1
    assert lone_scene.queued("oncall") == ["trigger"]


def test_more_alerts_of_one_model_join(lone_scene: Scene) -> None:
    """And the worst of them says how bad it is."""
    sender = Sender(lone_scene)
    sender.post(alert(1, severity="warning"))
    sender.post(alert(2, severity="page", alertname="Down"))
    (made,) = incidents_of(lone_scene)
    assert made.severity is Severity.CRITICAL


def test_alerts_of_different_models_stay_apart(lone_scene: Scene) -> None:
    sender = Sender(lone_scene)
    sender.post(alert(1), alert(2, model="other", deployment="canary"))
    families = {(each.model, each.deployment) for each in incidents_of(lone_scene)}
    assert families == {("reader", "production"), ("other", "canary")}


def test_what_a_person_resolved_stays_quiet_until_something_new_fires(lone_scene: Scene) -> None:
    sender = Sender(lone_scene)
    sender.post(alert(1))
    with lone_scene.services.sessions.begin() as session:
        people.resolve(session, 1, actor="eve", at=lone_scene.clock.now())
    sender.post(alert(1))
    assert [each.state for each in incidents_of(lone_scene)] == [IncidentState.RESOLVED]
    lone_scene.clock.advance(3600)
    sender.post(alert(1), alert(2, at=lone_scene.clock.now()))
    assert [each.state.is_open for each in incidents_of(lone_scene)] == [False, True]


def test_an_alert_that_fires_again_is_a_new_round(lone_scene: Scene) -> None:
    sender = Sender(lone_scene)
    sender.post(alert())
    sender.post(alert(status="resolved"))
    lone_scene.clock.advance(7200)
    sender.post(alert(at=lone_scene.clock.now()))
    assert [each.state.is_open for each in incidents_of(lone_scene)] == [False, True]


def test_an_end_that_nobody_saw_begin_is_nothing(lone_scene: Scene) -> None:
    assert Sender(lone_scene).post(alert(status="resolved")) == 202
    assert incidents_of(lone_scene) == []


def test_what_alertmanager_left_out_is_said(lone_scene: Scene) -> None:
    Sender(lone_scene).post(alert(), truncatedAlerts=12)
    with lone_scene.services.sessions() as session:
        texts = list(session.scalars(select(TimelineRow.text).order_by(TimelineRow.id)))
    assert "left 12 more out" in texts[0]


def test_the_kind_and_the_severity_follow_the_labels() -> None:
    def read(**labels: str) -> Any:
        return read_batch(json.dumps(payload(alert(**labels))).encode()).alerts[0]

    assert read(kind="input_fault").cause is Cause.INPUT_FAULT
    assert read(kind="vigil_self").cause is Cause.SERVICE_FAULT
    assert read(severity="Page").severity is Severity.CRITICAL
    assert read(severity="strange").severity is Severity.WARNING
    assert read(model="", job="gateway").model == "gateway"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"version": "4"}', b"\xff", b"[" * 99_999])
def test_what_is_no_payload_is_an_error_of_the_sender(lone_scene: Scene, body: bytes) -> None:
    assert Sender(lone_scene).raw(body) == 400
    with pytest.raises(WireError):
        read_batch(body)


def test_another_version_says_so() -> None:
    with pytest.raises(WireError, match="expected '4', found '5'"):
        read_batch(json.dumps(payload(version="5")).encode())


def test_alerts_that_are_none_are_counted_and_left_out() -> None:
    strange = [7, {}, {"labels": {}}, alert() | {"startsAt": NEVER}, alert() | {"labels": 3}]
    batch = read_batch(json.dumps(payload(alert(), *strange)).encode())
    assert (len(batch.alerts), batch.unread) == (1, 5)


def test_text_that_no_database_holds_is_cleaned(scene: Scene) -> None:
    sent = alert(1, alertname="a\x00\ud800b") | {"annotations": {"summary": "\x1b[2J" + "x" * 9999}}
    assert Sender(scene).post(sent) == 202
    assert incidents_of(scene)[0].title.startswith("a b on reader")


def test_nobody_gets_in_without_a_token_that_may_send(lone_scene: Scene) -> None:
    sender = Sender(lone_scene)
    with lone_scene.services.sessions.begin() as session:
        viewer = auth.create_token(session, name="v", scope="viewer", actor="t", at=NOON)
    for headers, status in (({}, 401), ({"Authorization": f"Bearer {viewer}"}, 403)):
        reply = httpx.post(sender.url, json=payload(alert()), headers=headers)
        assert reply.status_code == status
    assert incidents_of(lone_scene) == []


def test_busy_is_503_so_that_alertmanager_comes_again(lone_scene: Scene) -> None:
    """429 it would not try again."""
    sender = Sender(lone_scene)
    for _ in range(endpoint.AT_ONCE):
        assert endpoint._room.acquire(blocking=False)
    try:
        assert sender.post(alert()) == 503
    finally:
        for _ in range(endpoint.AT_ONCE):
            endpoint._room.release()
    assert sender.post(alert()) == 202


def test_an_incident_whose_last_alert_came_back_as_part_of_another_is_over(scene: Scene) -> None:
    """Alertmanager tells of a later start without ever having told of the end."""
    sender = Sender(scene)
    assert sender.post(alert(1, upstream="kafka", severity="warning")) == 202
    later = NOON + timedelta(minutes=30)
    scene.clock.advance(1800.0)
    labels = {1: {"severity": "warning"}, 2: {"model": "writer"}, 3: {"model": "writer"}}

    def batch(status: str) -> list[Any]:
        return [
            alert(number, upstream="kafka", at=later, status=status, **more)
            for number, more in labels.items()
        ]

    assert sender.post(*batch("firing")) == 202
    assert [one.state.is_open for one in incidents_of(scene)] == [False, True]
    assert sender.post(*batch("resolved")) == 202
    assert [one.state.is_open for one in incidents_of(scene)] == [False, False]
