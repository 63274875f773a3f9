"""What someone does in PagerDuty happens here, once, and is not sent back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from inb_scene import WEBHOOK, Scene

from alerts.notifiers.pagerduty_webhook import is_from_pagerduty, our_incident, read_event
from alerts.types import Incident, IncidentState
from monitor.response import people
from monitor.standins.pagerduty_webhooks import Subscription


def key_of(scene: Scene) -> str:
    return scene.pagerduty.incidents[-1].dedup_key


def test_an_acknowledgement_there_is_one_here_and_slack_follows(scene: Scene) -> None:
    incident = scene.incident()
    assert scene.pagerduty.act(key_of(scene), "acknowledge") == 202
    assert scene.now(incident).state is IncidentState.ACKNOWLEDGED
    assert scene.timeline(incident) == [("acknowledged", "pagerduty:Ann")]
    assert ("incident acknowledged", "pagerduty:Ann") in scene.audited()
    scene.deliver()
    assert "Acknowledge" not in scene.buttons()
    assert scene.slack.messages[0].replies[-1].content["text"].startswith("Acknowledged by")


def test_nothing_is_echoed_back(scene: Scene) -> None:
    """PagerDuty hears of what others did, never of what it told us itself."""
    scene.incident()
    scene.pagerduty.act(key_of(scene), "acknowledge")
    scene.pagerduty.act(key_of(scene), "resolve")
    scene.deliver()
    assert scene.sent("oncall") == ["trigger"]
    assert scene.queued("oncall") == ["trigger", "resolve"]  # that it is over is known there
    assert scene.queued("chat") == ["trigger", "acknowledge", "resolve"]


def test_a_life_there(scene: Scene) -> None:
    """Acknowledged, escalated, noted, resolved, reopened: all of it in the timeline."""
    incident, key = scene.incident(), key_of(scene)
    for what in ("acknowledge", "escalate", "resolve"):
        assert scene.pagerduty.act(key, what, by="Bo") == 202
    assert scene.now(incident).state is IncidentState.RESOLVED
    scene.clock.advance(60)
    assert scene.pagerduty.act(key, "reopen", by="Bo") == 202
    assert scene.now(incident).state is IncidentState.OPEN
    assert scene.pagerduty.note(key, "It is the lens.", by="Cy") == 202
    assert scene.timeline(incident) == [
        ("acknowledged", "pagerduty:Bo"),
        ("escalated", "pagerduty:Bo"),
        ("resolved", "pagerduty:Bo"),
        ("reopened", "pagerduty:Bo"),
        ("note", "pagerduty:Cy"),
    ]
    scene.deliver()
    assert "It is the lens." in scene.slack.messages[-1].replies[-1].content["text"]


def test_a_webhook_that_comes_twice_counts_once(scene: Scene) -> None:
    """Sent again under the same id, or caught and sent again under another."""
    incident = scene.incident()
    webhooks = scene.pagerduty.webhooks
    data = {"id": "Q1", "type": "incident", "incident_key": key_of(scene)}
    note = {"id": "P1", "type": "incident_note", "content": "Hm.", "incident": {"id": "Q1"}}
    assert webhooks.send(webhooks.event("incident.triggered", data)) == 202
    body = webhooks.event("incident.annotated", note)
    for webhook_id in ("w-1", "w-1", "w-2"):
        assert webhooks.send(body, webhook_id=webhook_id) == 202
    other = webhooks.event("incident.annotated", note)
    assert webhooks.send(other, webhook_id="w-1") == 202
    assert [kind for kind, _ in scene.timeline(incident)] == ["note"]


def test_what_cannot_be_used_is_taken_and_ignored(lone_scene: Scene) -> None:
    """Three 4xx in a row would end the subscription."""
    incident, webhooks = lone_scene.incident(), lone_scene.pagerduty.webhooks
    mine = {"id": "Q1", "type": "incident", "incident_key": key_of(lone_scene)}
    bodies: list[Any] = [
        webhooks.event("pagey.ping", {"type": "ping", "message": "Hello"}),
        webhooks.event("incident.priority_updated", mine),
        webhooks.event("incident.resolved", mine | {"incident_key": "somebody-else"}),
        webhooks.event("incident.resolved", mine | {"incident_key": "vigil-x-incident-1"}),
        webhooks.event("incident.resolved", mine, agent_type="inbound_integration_reference"),
        webhooks.event("incident.resolved", {"id": "Q9", "type": "incident_note"}),
        webhooks.event("incident.resolved", mine | {"id": "\ud800\u0000"})
        | {"event": {"event_type": "incident.resolved", "data": None, "id": 1}},
        {},
        [],
        {"event": 7},
    ]
    assert [webhooks.send(body) for body in bodies] == [202] * len(bodies)
    assert lone_scene.now(incident).state is IncidentState.OPEN
    assert not webhooks.disabled


def test_text_that_no_database_holds_is_cleaned(scene: Scene) -> None:
    incident = scene.incident()
    data = {"id": "Q\x001", "type": "incident", "incident_key": key_of(scene)}
    webhooks = scene.pagerduty.webhooks
    assert webhooks.send(webhooks.event("incident.acknowledged", data, by="A\x00\ud800nn")) == 202
    assert scene.timeline(incident) == [("acknowledged", "pagerduty:A nn")]


def test_only_the_right_signature_gets_in(lone_scene: Scene) -> None:
    incident, webhooks = lone_scene.incident(), lone_scene.pagerduty.webhooks
    data = {"id": "Q1", "type": "incident", "incident_key": key_of(lone_scene)}
    body = json.dumps(webhooks.event("incident.acknowledged", data)).encode()
    url = f"{lone_scene.url}/v1/inbound/pagerduty/oncall"
    for value in ("", "v1=", "v1=" + "0" * 64, "v0=" + "0" * 64, "\xff", ",".join(["v1=x"] * 99)):
        headers = {"X-PagerDuty-Signature": value.encode("latin-1")}
        assert httpx.post(url, content=body, headers=headers).status_code == 401
    assert httpx.post(url, content=body).status_code == 401
    webhooks.subscription = Subscription(url=url.replace("oncall", "chat"), secrets=(WEBHOOK,))
    assert webhooks.send(json.loads(body)) == 401
    assert lone_scene.now(incident).state is IncidentState.OPEN


def test_either_secret_holds_while_one_is_changed(lone_scene: Scene) -> None:
    incident, webhooks = lone_scene.incident(), lone_scene.pagerduty.webhooks
    url = f"{lone_scene.url}/v1/inbound/pagerduty/oncall"
    webhooks.subscription = Subscription(url=url, secrets=("the new one", WEBHOOK))
    lone_scene.pagerduty.act(key_of(lone_scene), "acknowledge")
    assert lone_scene.now(incident).state is IncidentState.ACKNOWLEDGED


def test_without_a_webhook_secret_nothing_gets_in(make_scene) -> None:
    scene = make_scene(signed=False)
    scene.incident()
    assert scene.pagerduty.act(key_of(scene), "acknowledge") == 401


def test_a_resolve_beats_a_late_acknowledgement(lone_scene: Scene) -> None:
    incident: Incident = lone_scene.incident()
    lone_scene.pagerduty.act(key_of(lone_scene), "resolve")
    assert lone_scene.pagerduty.act(key_of(lone_scene), "acknowledge") == 202
    assert lone_scene.now(incident).state is IncidentState.RESOLVED


def test_a_resolve_from_before_a_reopening_is_stale(lone_scene: Scene) -> None:
    """PagerDuty sends again for a while what did not arrive: by then it may have come back."""
    incident = lone_scene.incident()
    webhooks = lone_scene.pagerduty.webhooks
    data = {"id": "Q1", "type": "incident", "incident_key": key_of(lone_scene)}
    late = webhooks.event("incident.resolved", data)
    with lone_scene.services.sessions.begin() as session:
        at = lone_scene.clock.now()
        people.resolve(session, incident.id, actor="eve", at=at)
        lone_scene.clock.advance(30)
        people.reopen(session, incident.id, actor="eve", at=lone_scene.clock.now())
    assert webhooks.send(late) == 202
    assert lone_scene.now(incident).state is IncidentState.OPEN


def test_a_body_over_a_mebibyte_is_refused(lone_scene: Scene) -> None:
    url = f"{lone_scene.url}/v1/inbound/pagerduty/oncall"
    assert httpx.post(url, content=b"x" * (2**20 + 1)).status_code == 413


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("vigil-abc1-incident-12", 12),
        ("vigil-other-incident-12", None),
        ("vigil-abc1-incident-12x", None),
        ("vigil-incident-12", None),
        ("", None),
    ],
)
def test_our_incident_by_its_key(key: str, number: int | None) -> None:
    assert our_incident(key, installation="abc1") == number


def test_reading_and_checking_never_raise() -> None:
    for body in (b"", b"\xff", b"null", b'{"event": []}', b"[" * 100_000):
        assert read_event(body) is None
        assert not is_from_pagerduty(body, secret="s", header="v1=1")
