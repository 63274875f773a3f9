"""What changes beside the incidents: releases in PagerDuty's log; pictures only by https."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from inb_scene import NOON, Scene, an_incident
from slack_sdk.models.attachments import BlockAttachment
from slack_sdk.models.blocks import Block

from alerts.notifiers.pagerduty import MAX_BYTES, fitted
from alerts.notifiers.slack_blocks import render
from alerts.text import compose
from alerts.types import Image, IncidentState, Message, MessageEvent, PendingApproval
from monitor.response.releases import announce


def a_message(**values: Any) -> Message:
    made = compose(
        an_incident(id=7),
        event=MessageEvent.TRIGGER,
        id="m-1",
        now=NOON,
        base_url="https://vigil.example.org",
        installation="abc",
    )
    return replace(made, **values)


def test_a_release_is_a_change_event_and_wakes_nobody(lone_scene: Scene) -> None:
    with lone_scene.services.sessions.begin() as session:
        announce(
            session,
            lone_scene.services.settings,
            model="reader",
            deployment="production",
            version="v3",
            actor="ci",
            at=NOON,
        )
    lone_scene.deliver()
    (change,) = lone_scene.pagerduty.changes
    assert change["payload"]["summary"] == "reader v3 was released in production."
    assert change["links"][0]["href"].endswith("/models/reader/production")
    assert lone_scene.pagerduty.incidents == []
    assert lone_scene.slack.messages == []


def test_only_pictures_by_https_are_sent(lone_scene: Scene) -> None:
    """PagerDuty refuses an event with any other."""
    notifier = lone_scene.works.outbox._notifiers["oncall"]
    pictures = (Image(src="http://x/1.png", alt="no"), Image(src="https://x/2.png", alt="yes"))
    told = notifier.deliver(a_message(images=pictures), thread={})
    assert told.outcome.value == "delivered", told.error
    assert lone_scene.pagerduty.incidents[0].event["images"] == [
        {"src": "https://x/2.png", "alt": "yes"}
    ]


def test_details_go_first_where_an_event_is_too_large() -> None:
    event = {
        "routing_key": "k",
        "links": [{"href": "h"}],
        "payload": {"summary": "s", "custom_details": {"x": "y" * MAX_BYTES}},
    }
    kept = json.loads(fitted(event))
    assert kept == {"routing_key": "k", "links": [{"href": "h"}], "payload": {"summary": "s"}}


def test_blocks_with_buttons_are_what_slack_takes() -> None:
    """Checked with Slack's own models, with texts as long as can be."""
    asked = PendingApproval(action_id=3, plan_hash="f" * 64, text="Rollback waits. " * 50)
    long = an_incident(id=7, model="m" * 200, deployment="d" * 200, title="t" * 3000)
    message = a_message(incident=long, headline="t" * 3000, approval=asked, installation="i" * 16)
    content = render(message, interactive=True)
    for group in (content["blocks"], content["attachments"][0]["blocks"]):
        for block in Block.parse_all(group):
            block.validate_json()
    BlockAttachment(blocks=Block.parse_all(content["attachments"][0]["blocks"])).validate_json()
    rows = [one for one in content["attachments"][0]["blocks"] if one["type"] == "actions"]
    texts = [button["text"]["text"] for button in rows[0]["elements"]]
    assert texts == ["Acknowledge", "Approve rollback", "Silence 1 h", "Resolve"]
    assert all(button["value"] for button in rows[0]["elements"])
    over = replace(message, incident=replace(long, state=IncidentState.RESOLVED))
    assert "actions" not in json.dumps(render(over, interactive=True))
