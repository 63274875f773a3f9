"""One contract for every notifier, run against the strict stand-ins; then what is special."""

from __future__ import annotations

import io
import json
import logging
from dataclasses import dataclass, replace
from typing import Any

import pytest

from alerts.notifiers.console import ConsoleNotifier, as_text
from alerts.notifiers.pagerduty import MAX_BYTES, PagerDutyNotifier, fitted
from alerts.notifiers.protocol import Guarantee, Notifier
from alerts.notifiers.slack import SlackNotifier
from alerts.notifiers.slack_blocks import clip, render
from alerts.types import DeliveryOutcome, Link, MessageEvent
from monitor.standins.app import StandIns
from monitor.standins.faults import Fault
from vigil.types import Slice

TOKEN = "xoxb-very-secret-token"
KEY = "secret-routing-key-of-32-letters"
CHANNEL = "C0METERREAD"


@dataclass
class Receiver:
    """A notifier with its stand-in, seen alike."""

    notifier: Notifier
    standins: StandIns
    part: Any

    def arrived(self) -> int:
        """How many messages people see: roots and replies."""
        sent = self.standins.sent()
        if self.part is self.standins.slack:
            return len(sent["slack"]) + sum(len(root["replies"]) for root in sent["slack"])
        return len(sent["pagerduty"])


@pytest.fixture
def standins():
    with StandIns(slack_token=TOKEN, routing_key=KEY) as running:
        yield running


@pytest.fixture
def slack(standins):
    return SlackNotifier(
        "chat", token=TOKEN, channel=CHANNEL, url=f"{standins.url}/slack/api/", timeout_s=1
    )


@pytest.fixture
def pagerduty(standins):
    notifier = PagerDutyNotifier(
        "oncall", routing_key=KEY, url=f"{standins.url}/pagerduty", timeout_s=0.5
    )
    yield notifier
    notifier.close()


@pytest.fixture(params=["slack", "pagerduty"])
def receiver(request, standins):
    notifier = request.getfixturevalue(request.param)
    return Receiver(notifier, standins, getattr(standins, request.param))


def test_an_incident_is_one_thing_through_its_whole_life(receiver, make_message):
    """Trigger, update, acknowledge, resolve: one message in Slack, one alert in PagerDuty."""
    thread: dict[str, str] = {}
    for event in ("trigger", "update", "acknowledge", "resolve"):
        message = make_message(MessageEvent(event), note="" if event == "trigger" else event)
        delivery = receiver.notifier.deliver(message, thread=thread)
        assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error
        assert json.loads(json.dumps(delivery.receipt)) == delivery.receipt
        thread = dict(delivery.receipt)
    sent = receiver.standins.sent()
    if receiver.part is receiver.standins.slack:
        (root,) = sent["slack"]
        assert root["edits"] == 3
        assert [reply["text"] for reply in root["replies"]] == ["update", "acknowledge", "resolve"]
    else:
        (incident,) = sent["pagerduty"]
        assert [entry["what"] for entry in incident["log"]] == [
            "trigger",
            "acknowledge",
            "resolve",
        ]
    assert sent["refused"] == {"slack": [], "pagerduty": [], "dropped by pagerduty": []}


@pytest.mark.parametrize("event", [MessageEvent.TRIGGER, MessageEvent.RESOLVE])
def test_a_lost_answer_is_unclear_and_its_repeat_arrives_once(receiver, make_message, event):
    """The receiver did it, and the line broke: looking or the key keeps it from happening twice."""
    thread = {}
    if event is not MessageEvent.TRIGGER:
        thread = dict(receiver.notifier.deliver(make_message(), thread={}).receipt)
    message = make_message(event, note="It is over.")
    faults = [Fault(lose_answer=True)]
    if thread and receiver.part is receiver.standins.slack:
        faults.insert(0, Fault())
    receiver.part.faults.next(*faults)
    first = receiver.notifier.deliver(message, thread=thread)
    assert first.outcome is DeliveryOutcome.UNCLEAR
    before = receiver.arrived()
    second = receiver.notifier.deliver(message, thread=thread, unclear=True)
    assert second.outcome is DeliveryOutcome.DELIVERED
    assert receiver.arrived() == before


def test_a_receiver_that_hangs_is_unclear(receiver, make_message):
    """The call ends in time; nobody waits for ever."""
    receiver.part.faults.next(Fault(hang_s=5))
    delivery = receiver.notifier.deliver(make_message(), thread={})
    assert delivery.outcome is DeliveryOutcome.UNCLEAR


def test_too_many_requests_wait_as_long_as_asked(receiver, make_message):
    """``Retry-After`` comes back; the next attempt goes through."""
    receiver.part.faults.next(Fault(status=429, error="ratelimited", retry_after_s=17))
    delivery = receiver.notifier.deliver(make_message(), thread={})
    assert (delivery.outcome, delivery.retry_after_s) == (DeliveryOutcome.RETRY, 17.0)
    again = receiver.notifier.deliver(make_message(), thread={}, unclear=True)
    assert again.outcome is DeliveryOutcome.DELIVERED
    assert receiver.arrived() == 1


def test_a_broken_receiver_is_tried_again(receiver, make_message):
    """A 5xx is never final."""
    receiver.part.faults.next(Fault(status=503))
    delivery = receiver.notifier.deliver(make_message(), thread={})
    assert delivery.outcome in (DeliveryOutcome.RETRY, DeliveryOutcome.UNCLEAR)
    assert "503" in delivery.error or "fault" in delivery.error


def test_texts_of_any_length_and_content_arrive(receiver, make_message, make_incident):
    """Limits are kept by cutting; what strangers wrote calls nobody."""
    long = "<!channel> <https://evil|x> & *b* \u202e\U0001f600 " * 400
    message = make_message(
        headline=long,
        what=(long,) * 30,
        where=long,
        since=long,
        how_sure=long,
        done=(long,) * 30,
        next=long,
        todo=long,
        note=long,
        links=tuple(Link(text=long, href="http://x/" + "y" * 100) for _ in range(20)),
        incident=make_incident(slice=Slice((("camera", long),)), labels={"owner": long}),
    )
    first = receiver.notifier.deliver(message, thread={})
    assert first.outcome is DeliveryOutcome.DELIVERED, first.error
    update = replace(message, event=MessageEvent.UPDATE)
    assert receiver.notifier.deliver(update, thread=first.receipt).outcome is first.outcome
    if receiver.part is receiver.standins.slack:
        (root,) = receiver.standins.sent()["slack"]
        del root["blocks"]  # the header is plain text, in which Slack sees no mentions
        plain = json.dumps(root)
        assert "<!channel>" not in plain
        assert "<https://evil" not in plain


def test_empty_texts_arrive(receiver, make_message):
    """A message of nothing but its headline is still within the contract."""
    message = make_message(what=(), done=(), todo="", next="", where="", since="", how_sure="")
    delivery = receiver.notifier.deliver(message, thread={})
    assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error


def test_a_test_page_disturbs_nothing(receiver, make_message):
    """``vigil page test`` opens no thread of an incident and leaves no alert open."""
    delivery = receiver.notifier.deliver(make_message(MessageEvent.TEST), thread={})
    assert delivery.outcome is DeliveryOutcome.DELIVERED
    assert receiver.arrived() == 1
    if receiver.part is receiver.standins.pagerduty:
        (incident,) = receiver.standins.sent()["pagerduty"]
        assert (incident["state"], incident["dedup_key"]) == ("resolved", "incident-7-test-1")


def wrong_credentials(standins):
    url = standins.url
    return [
        SlackNotifier("chat", token="xoxb-wrong-secret", channel=CHANNEL, url=f"{url}/slack/api"),
        PagerDutyNotifier("oncall", routing_key="w" * 32, url=f"{url}/pagerduty"),
    ]


def test_wrong_credentials_are_final_and_never_shown(standins, make_message, caplog):
    """The error says what is wrong, without the secret; so do repr and the log at its loudest."""
    caplog.set_level(logging.DEBUG)
    slack, pagerduty = wrong_credentials(standins)
    for notifier in (slack, pagerduty):
        delivery = notifier.deliver(make_message(), thread={})
        assert delivery.outcome is DeliveryOutcome.FAILED
        shown = delivery.error + repr(notifier) + repr(delivery) + caplog.text
        assert "xoxb-wrong-secret" not in shown
        assert "w" * 32 not in shown
    pagerduty.close()


def test_a_receiver_that_is_away_is_tried_again(make_message, caplog):
    """Nothing listens: it was surely not sent."""
    caplog.set_level(logging.DEBUG)
    with StandIns() as gone:
        url = gone.url
    for notifier in (
        SlackNotifier("chat", token=TOKEN, channel=CHANNEL, url=url),
        PagerDutyNotifier("oncall", routing_key=KEY, url=url),
    ):
        delivery = notifier.deliver(make_message(), thread={})
        assert delivery.outcome is DeliveryOutcome.RETRY, delivery
        assert TOKEN not in delivery.error + caplog.text
        assert KEY not in delivery.error + caplog.text
    notifier.close()


def test_slack_finds_a_reply_by_its_id_not_by_its_text(slack, standins, make_message):
    """Two notes of the same words are two replies; one note sent twice is one."""
    thread = slack.deliver(make_message(), thread={}).receipt
    note = make_message(MessageEvent.UPDATE, note="Still firing.")
    other = replace(note, id="another-id")
    for message in (note, note, other):
        delivery = slack.deliver(message, thread=thread, unclear=True)
        assert delivery.outcome is DeliveryOutcome.DELIVERED
        assert delivery.receipt["ts"] == thread["ts"]
    (root,) = standins.sent()["slack"]
    assert len(root["replies"]) == 2


def test_slack_rings_again_when_an_incident_reopens(slack, standins, make_message):
    """Editing the old message notifies nobody: the reply goes to the channel as well."""
    thread = slack.deliver(make_message(), thread={}).receipt
    update = make_message(MessageEvent.UPDATE, note="Still firing.")
    again = make_message(note="", id="again")
    for message in (update, again):
        assert slack.deliver(message, thread=thread).outcome is DeliveryOutcome.DELIVERED
    (root,) = standins.sent()["slack"]
    quiet, loud = root["replies"]
    assert not quiet.get("reply_broadcast")
    assert (loud["reply_broadcast"], loud["text"]) == (True, again.headline)


def test_slack_posts_anew_where_someone_deleted_the_message(slack, standins, make_message):
    """The incident does not go silent; the receipt leads to the new message."""
    thread = slack.deliver(make_message(), thread={}).receipt
    standins.slack.messages.clear()
    delivery = slack.deliver(make_message(MessageEvent.UPDATE), thread=thread)
    assert delivery.outcome is DeliveryOutcome.DELIVERED
    assert delivery.receipt["ts"] == standins.sent()["slack"][0]["ts"] != thread["ts"]


def test_slack_takes_a_channel_name_and_then_may_repeat(standins, make_message):
    """History wants an id: a page twice is better than none."""
    named = SlackNotifier("chat", token=TOKEN, channel="#alerts", url=f"{standins.url}/slack/api/")
    standins.slack.faults.next(Fault(lose_answer=True))
    assert named.deliver(make_message(), thread={}).outcome is DeliveryOutcome.UNCLEAR
    again = named.deliver(make_message(), thread={}, unclear=True)
    assert again.outcome is DeliveryOutcome.DELIVERED
    assert len(standins.sent()["slack"]) == 2


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("channel_not_found", DeliveryOutcome.FAILED),
        ("is_archived", DeliveryOutcome.FAILED),
        ("token_revoked", DeliveryOutcome.FAILED),
        ("ratelimited", DeliveryOutcome.RETRY),
        ("service_unavailable", DeliveryOutcome.RETRY),
        ("internal_error", DeliveryOutcome.UNCLEAR),
        ("fatal_error", DeliveryOutcome.UNCLEAR),
    ],
)
def test_slack_says_no_with_http_200(slack, standins, make_message, error, outcome):
    """``ok: false`` is read, and told apart."""
    standins.slack.faults.next(Fault(error=error))
    delivery = slack.deliver(make_message(), thread={})
    assert (delivery.outcome, delivery.error) == (outcome, f"slack: {error}")


def test_slack_blocks_tell_the_page_in_order(make_message):
    """A snapshot of the texts that people read."""
    plain = render(make_message())
    assert plain["blocks"][0]["text"]["text"] == ":red_circle: meter-reader v2 is worse than v1"
    (attachment,) = plain["attachments"]
    texts = [
        block.get("text", {}).get("text") or [each["text"] for each in block.get("fields", [])]
        for block in attachment["blocks"][:-1]
    ]
    assert texts == [
        "confidence fell from 0.97 to 0.71",
        [
            "*Where*\nall traffic of meter-reader v2 in production",
            "*Since*\n02:58:30 UTC, 2 min before this page",
        ],
        "*How sure*\n105 times the evidence that a page needs",
        "*What vigil did*\n• rolled back from v2 to v1\n*Next:* vigil watches whether it recovers",
        "*What you should do*\nNothing yet; stay near.",
        "<http://127.0.0.1:8080/runbooks/model_regression?incident=7|Open the runbook> | "
        "<http://127.0.0.1:8080/incidents/7|Incident 7> | "
        "<http://127.0.0.1:8080/models/meter-reader/production|Model>",
    ]
    assert clip("abcdef", 4) == "abc…"


def test_pagerduty_hears_of_a_rollback_as_a_change(pagerduty, standins, make_message):
    """And of no mere update, which could reopen what someone resolved there."""
    thread = pagerduty.deliver(make_message(), thread={}).receipt
    update = make_message(MessageEvent.UPDATE, change="vigil rolled back v2 -> v1")
    delivery = pagerduty.deliver(update, thread=thread)
    assert delivery.receipt["sent"] == "change event"
    assert delivery.receipt["dedup_key"] == "vigil-incident-7"
    sent = standins.sent()
    assert [change["payload"]["summary"] for change in sent["changes"]] == [update.change]
    assert [entry["what"] for entry in sent["pagerduty"][0]["log"]] == ["trigger"]


def test_pagerduty_resolves_only_what_was_triggered(pagerduty, standins, make_message):
    """An orphan resolve would be dropped there without a word; the receipt says it was not sent."""
    delivery = pagerduty.deliver(make_message(MessageEvent.RESOLVE), thread={})
    assert delivery.outcome is DeliveryOutcome.DELIVERED
    assert delivery.receipt["sent"] == "nothing: there was no trigger to resolve"
    assert standins.sent()["pagerduty"] == []
    assert standins.pagerduty.dropped == []


def test_pagerduty_drops_details_before_it_drops_the_page():
    """512 KB: custom details go first, then links; the summary stays."""
    event = {
        "routing_key": KEY,
        "links": [{"href": "http://x"}],
        "payload": {"summary": "s", "custom_details": {"x": "y" * MAX_BYTES}},
    }
    assert json.loads(fitted(event)) == {**event, "payload": {"summary": "s"}}
    wide = {**event, "links": [{"href": "h" * MAX_BYTES}]}
    assert json.loads(fitted(wide)) == {"routing_key": KEY, "payload": {"summary": "s"}}
    small = {**event, "payload": {"summary": "s", "custom_details": {"x": "y"}}}
    assert json.loads(fitted(small)) == small


def test_the_console_shows_the_page_and_survives_a_closed_stream(make_message):
    """Plain text in the same order; control characters of metadata do not reach the terminal."""
    stream = io.StringIO()
    console = ConsoleNotifier(stream=stream)
    assert console.guarantee is Guarantee.MAY_REPEAT
    message = make_message(where="camera \x1b[2J\x07x")
    assert console.deliver(message, thread={}).outcome is DeliveryOutcome.DELIVERED
    shown = stream.getvalue()
    assert "\x1b" not in shown
    labels = [line.split("  ")[0] for line in shown.splitlines()[2:] if not line.startswith(" ")]
    assert labels == [
        "What",
        "Where",
        "Owner",
        "Since",
        "How sure",
        "vigil did",
        "vigil will",
        "You",
        "Runbook",
        "Incident",
    ]
    stream.close()
    assert console.deliver(message, thread={}).outcome is DeliveryOutcome.RETRY
    update = make_message(MessageEvent.UPDATE, note="Rolled back.")
    assert as_text(update).splitlines()[-1] == "New         Rolled back."
