"""A press of a button in Slack does what the console would, once, for those who may."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from inb_scene import APPROVER, OPERATOR, STRANGER, VIEWER, Scene
from sqlalchemy import select, update

from alerts.types import IncidentState
from monitor.response import people
from monitor.store.tables import ActionRow, SilenceRow

ANN = f"slack:{OPERATOR} (ann)"


def test_acknowledging_in_slack_acknowledges_here_and_in_pagerduty(scene: Scene) -> None:
    """Click -> incident -> the message has no such button any more, and the pager is quiet."""
    incident = scene.incident()
    assert scene.buttons() == ["Acknowledge", "Silence 1 h", "Resolve"]
    assert scene.click("acknowledge") == 200
    moved = scene.now(incident)
    assert moved.state is IncidentState.ACKNOWLEDGED
    assert scene.timeline(incident) == [("acknowledged", ANN)]
    assert ("incident acknowledged", ANN) in scene.audited()
    scene.deliver()
    assert scene.buttons() == ["Silence 1 h", "Resolve"]
    assert [each.state for each in scene.pagerduty.incidents] == ["acknowledged"]
    assert scene.slack.clicks.answers == []


def test_the_thread_gets_the_timeline(lone_scene: Scene) -> None:
    """What happened between two messages is told in the thread of the second."""
    lone_scene.incident()
    lone_scene.click("acknowledge")
    lone_scene.deliver()
    texts = [reply.content["text"] for reply in lone_scene.slack.messages[0].replies]
    assert len(texts) == 1
    assert texts[0].startswith(f"Acknowledged by {ANN}.")
    lone_scene.click("resolve")
    lone_scene.deliver()
    last = lone_scene.slack.messages[0].replies[-1].content["text"]
    assert last.startswith(f"Resolved by {ANN}.")
    assert "Acknowledged" not in last


def test_a_resolve_in_slack_closes_everywhere_and_leaves_no_button(scene: Scene) -> None:
    incident = scene.incident()
    assert scene.click("resolve") == 200
    scene.deliver()
    assert scene.now(incident).state is IncidentState.RESOLVED
    assert scene.buttons() == []
    assert [each.state for each in scene.pagerduty.incidents] == ["resolved"]


def test_a_second_press_changes_nothing_and_says_so(lone_scene: Scene) -> None:
    incident = lone_scene.incident()
    lone_scene.click("acknowledge")
    version = lone_scene.now(incident).version
    assert lone_scene.click("acknowledge", user=APPROVER, name="bob") == 200
    assert lone_scene.now(incident).version == version
    assert lone_scene.ephemeral() == ["Nothing was changed: someone has incident 1 already."]
    assert lone_scene.slack.clicks.answers[0]["user"] == APPROVER


def test_many_presses_at_once_acknowledge_once(scene: Scene) -> None:
    incident = scene.incident()
    users = [f"{OPERATOR}", APPROVER] * 4
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda user: scene.click("acknowledge", user=user), users))
    assert set(codes) == {200}
    assert [kind for kind, _ in scene.timeline(incident)] == ["acknowledged"]
    assert scene.queued("oncall") == ["trigger", "acknowledge"]


@pytest.mark.parametrize(("user", "why"), [(STRANGER, "does not know you"), (VIEWER, "viewer")])
def test_who_may_not_is_told_why_and_nothing_happens(
    lone_scene: Scene, user: str, why: str
) -> None:
    """The answer is for the presser alone; the refusal is in the audit."""
    incident = lone_scene.incident()
    assert lone_scene.click("acknowledge", user=user) == 200
    assert lone_scene.now(incident).state is IncidentState.OPEN
    assert why in lone_scene.ephemeral()[0]
    assert ("slack press refused", f"slack:{user} (ann)") in lone_scene.audited()


def test_an_approval_binds_to_the_plan_that_was_shown(scene: Scene) -> None:
    """An operator may not; an approver may, once, and the message loses the button."""
    incident = scene.incident()
    row = scene.waiting_rollback(incident)
    assert scene.buttons() == ["Acknowledge", "Approve rollback", "Silence 1 h", "Resolve"]
    scene.click("approve", user=OPERATOR)
    assert "approve actions" in scene.ephemeral()[0]
    assert scene.click("approve", user=APPROVER, name="bob") == 200
    with scene.services.sessions() as session:
        approved = session.get_one(ActionRow, row.id)
        assert approved.approved_by == f"slack:{APPROVER} (bob)"
        assert approved.decision["approval"]["plan_hash"] == row.plan_hash
    scene.deliver()
    assert "Approve rollback" not in scene.buttons()


def test_two_approvals_at_once_are_one(scene: Scene) -> None:
    incident = scene.incident()
    scene.waiting_rollback(incident)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: scene.click("approve", user=APPROVER), range(4)))
    assert [kind for kind, _ in scene.timeline(incident)] == ["approved"]


def test_a_stale_approval_is_refused_with_its_reason(lone_scene: Scene) -> None:
    """The plan changed after the message was written."""
    row = lone_scene.waiting_rollback(lone_scene.incident())
    with lone_scene.services.sessions.begin() as session:
        session.execute(update(ActionRow).values(plan_hash="0" * 64))
    assert lone_scene.click("approve", user=APPROVER) == 200
    assert "plan is another one" in lone_scene.ephemeral()[0]
    with lone_scene.services.sessions() as session:
        assert session.get_one(ActionRow, row.id).approved_by is None


def test_a_button_of_a_resolved_incident_does_nothing(lone_scene: Scene) -> None:
    incident = lone_scene.incident()
    with lone_scene.services.sessions.begin() as session:
        people.resolve(session, incident.id, actor="eve", at=lone_scene.clock.now())
    assert lone_scene.click("acknowledge") == 200
    assert lone_scene.ephemeral() == ["Nothing was changed: incident 1 is resolved already."]


def test_a_silence_lasts_an_hour_and_is_made_once(scene: Scene) -> None:
    incident = scene.incident()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: scene.click("silence"), range(3)))
    with scene.services.sessions() as session:
        (made,) = session.scalars(select(SilenceRow)).all()
    assert made.ends_at - made.starts_at == timedelta(hours=1)
    assert made.created_by == ANN
    assert scene.now(incident).state is IncidentState.OPEN
    told = scene.ephemeral(3)
    assert "Silenced as S-1 until 2026-11-20 13:00 UTC." in told


def test_without_a_signing_secret_there_are_no_buttons_and_no_way_in(make_scene) -> None:
    scene = make_scene(signed=False)
    scene.incident()
    assert scene.buttons() == []
    body, headers = scene.slack.clicks.signed({"type": "block_actions"})
    url = f"{scene.url}/v1/inbound/slack/chat"
    assert httpx.post(url, content=body, headers=headers).status_code == 401


def test_a_message_of_another_installation_moves_nothing(lone_scene: Scene) -> None:
    """Two vigils may share a channel, and both have an incident 1."""
    incident = lone_scene.incident()
    message = lone_scene.slack.messages[-1].to_json()
    payload = lone_scene.slack.clicks.payload(
        message, "vigil.acknowledge", user=OPERATOR, name="ann"
    )
    value = json.loads(payload["actions"][0]["value"]) | {"installation": "another"}
    payload["actions"][0]["value"] = json.dumps(value)
    body, headers = lone_scene.slack.clicks.signed(payload)
    url = f"{lone_scene.url}/v1/inbound/slack/chat"
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    assert lone_scene.now(incident).state is IncidentState.OPEN
    assert "not from this vigil" in lone_scene.ephemeral()[0]


def _press(scene: Scene) -> tuple[bytes, dict[str, str]]:
    message = scene.slack.messages[-1].to_json()
    clicks = scene.slack.clicks
    return clicks.signed(clicks.payload(message, "vigil.acknowledge", user=OPERATOR, name="ann"))


BAD_HEADERS = [
    pytest.param({"X-Slack-Request-Timestamp": "soon"}, id="timestamp that is no number"),
    pytest.param({"X-Slack-Request-Timestamp": "nan"}, id="nan"),
    pytest.param({"X-Slack-Request-Timestamp": "-1"}, id="negative"),
    pytest.param({"X-Slack-Request-Timestamp": "9" * 5000}, id="a number too long to read"),
    pytest.param({"X-Slack-Request-Timestamp": "\xb2\xb3"}, id="digits that are none"),
    pytest.param({"X-Slack-Request-Timestamp": ""}, id="no timestamp"),
    pytest.param({"X-Slack-Signature": "v0=" + "0" * 64}, id="wrong signature"),
    pytest.param({"X-Slack-Signature": "v0=\xff"}, id="signature beyond ASCII"),
    pytest.param({"X-Slack-Signature": ""}, id="no signature"),
    pytest.param({"X-Slack-Signature": "v1=" + "0" * 64}, id="another version"),
]


def test_what_is_not_signed_right_is_401_never_500(lone_scene: Scene) -> None:
    incident = lone_scene.incident()
    url = f"{lone_scene.url}/v1/inbound/slack/chat"
    for case in BAD_HEADERS:
        body, headers = _press(lone_scene)
        sent = {name: text.encode("latin-1") for name, text in (headers | case.values[0]).items()}
        assert httpx.post(url, content=body, headers=sent).status_code == 401, case.id
    body, headers = _press(lone_scene)
    assert httpx.post(url, content=body + b"&x=1", headers=headers).status_code == 401
    assert httpx.post(url, content=b"\xff\xfe", headers=headers).status_code == 401
    assert httpx.post(url, content=body).status_code == 401
    for other in ("nobody", "oncall"):
        there = f"{lone_scene.url}/v1/inbound/slack/{other}"
        assert httpx.post(there, content=body, headers=headers).status_code == 401
    assert lone_scene.now(incident).state is IncidentState.OPEN


def test_a_signature_is_good_for_five_minutes(lone_scene: Scene) -> None:
    lone_scene.incident()
    url = f"{lone_scene.url}/v1/inbound/slack/chat"
    body, headers = _press(lone_scene)
    lone_scene.clock.advance(301)
    assert httpx.post(url, content=body, headers=headers).status_code == 401
    body, headers = _press(lone_scene)
    lone_scene.clock.advance(299)
    assert httpx.post(url, content=body, headers=headers).status_code == 200


def test_a_replayed_press_counts_once(scene: Scene) -> None:
    """Caught on the way and sent again within the five minutes."""
    scene.incident()
    message = scene.slack.messages[-1].to_json()
    clicks = scene.slack.clicks
    payload = clicks.payload(message, "vigil.silence", user=OPERATOR, name="ann")
    body, headers = clicks.signed(payload)
    url = f"{scene.url}/v1/inbound/slack/chat"
    for _ in range(3):
        assert httpx.post(url, content=body, headers=headers).status_code == 200
    with scene.services.sessions() as session:
        assert len(session.scalars(select(SilenceRow)).all()) == 1
    assert len(scene.ephemeral()) == 1


@pytest.mark.parametrize(
    "payload",
    [
        "[]",
        "{",
        '{"type": "block_actions"}',
        '{"type": "view_submission"}',
        '{"type": "block_actions", "user": {"id": "U"}, "actions": [{"action_id": "theirs"}]}',
        '{"type": "block_actions", "user": {"id": "\\ud800\\u0000"}, "actions": [7]}',
        '{"type": "block_actions", "user": {"id": "U"}, "actions": [{"action_id": '
        '"vigil.resolve", "value": "{\\"incident\\": 1e999, \\"installation\\": 3}"}]}',
    ],
)
def test_signed_nonsense_is_taken_and_ignored(lone_scene: Scene, payload: str) -> None:
    incident = lone_scene.incident()
    body, headers = lone_scene.slack.clicks.signed(payload)
    url = f"{lone_scene.url}/v1/inbound/slack/chat"
    assert httpx.post(url, content=body, headers=headers).status_code == 200
    assert lone_scene.now(incident).state is IncidentState.OPEN


def test_an_answer_goes_to_slack_and_nowhere_else(lone_scene: Scene, caplog) -> None:
    """A response_url that leads elsewhere is not called, signed or not."""
    lone_scene.incident()
    message = lone_scene.slack.messages[-1].to_json()
    clicks = lone_scene.slack.clicks
    payload = clicks.payload(message, "vigil.acknowledge", user=STRANGER, name="x")
    payload["response_url"] = f"{lone_scene.url}/v1/switches/actions_stopped"
    body, headers = clicks.signed(payload)
    with caplog.at_level("WARNING", logger="vigil.inbound"):
        url = f"{lone_scene.url}/v1/inbound/slack/chat"
        assert httpx.post(url, content=body, headers=headers).status_code == 200
        for _ in range(100):
            if caplog.records:
                break
            lone_scene.ephemeral()
    assert "not Slack's" in caplog.text
