"""Texts of any length and content: every receiver takes them, and none is steered by them."""

from __future__ import annotations

import email
import io
import json
from dataclasses import replace
from email.policy import default

import pytest
from stub_receivers import KINDS, rig

from alerts.notifiers.alertmanager import alert_labels
from alerts.notifiers.console import ConsoleNotifier
from alerts.notifiers.jira_documents import issue
from alerts.notifiers.mail import mail_of
from alerts.notifiers.slack_webhook import rendered
from alerts.notifiers.teams import MAX_BYTES, card_bytes
from alerts.types import DeliveryOutcome, Link, MessageEvent
from vigil.types import Slice

HOSTILE = (
    "<!channel> @everyone <at>all</at> [log in](https://evil.example) *b* _i_ `c` \\ {code} "
    '<script>alert(1)</script> & "q" \r\nBcc: victim@example.org\r\n\r\nx \u202e\x1b[2J\x00 '
    "\ud800 \U0001f600 e\u0301 | a \n# h"
)
SENDER, TO = "vigil <vigil@example.org>", ("a@example.org", "b@example.org")


@pytest.fixture(params=[1, 300])
def text(request):
    return HOSTILE * request.param


@pytest.fixture
def hostile(text, written):
    return written(text)


@pytest.fixture
def written(make_message, make_incident):
    """Makes a message of which every text, label and name is hostile."""
    return lambda text: make_message(
        id=f"id {text}"[:200],
        headline=text,
        what=(text,) * 30,
        where=text,
        since=text,
        how_sure=text,
        done=(text,) * 30,
        next=text,
        todo=text,
        note=text,
        links=tuple(Link(text=text, href="http://x/" + "y" * size) for size in (9, 900, 9000)),
        incident=make_incident(
            slice=Slice((("camera id", text), ("9lives", "x"), ("incident", "y"))),
            labels={"owner": text},
            model=text[:200],
            model_version=text[:200],
            deployment=text[:200],
        ),
    )


def through(notifier, message) -> None:
    thread: dict[str, str] = {}
    for event in tuple(MessageEvent)[:4]:
        delivery = notifier.deliver(replace(message, event=event), thread=thread)
        assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error
        thread = dict(delivery.receipt)


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_are_within_every_limit(kind, text, written):
    made = rig(kind)
    if kind == "slack":  # its client sends forms, in which half a pair of surrogates can't stand
        text = text.replace("\ud800", "")
    with made.running() as notifier:
        through(notifier, written(text))
    assert not made.refused()


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_of_nothing_but_a_headline_arrives(kind, make_message):
    made = rig(kind)
    empty = make_message(
        what=(), done=(), todo="", next="", where="", since="", how_sure="", links=()
    )
    with made.running() as notifier:
        through(notifier, empty)
    assert not made.refused()


def test_slack_calls_nobody(hostile):
    """All markup is escaped; what is not is plain text, in which Slack sees none."""
    for event in (MessageEvent.TRIGGER, MessageEvent.UPDATE):
        body = rendered(replace(hostile, event=event))
        body["blocks"] = [each for each in body["blocks"] if each["type"] != "header"]
        shown = json.dumps(body)
        assert "<!channel>" not in shown
        assert "<at>" not in shown
        assert "&lt;!channel&gt;" in shown


def test_a_card_for_teams_reads_no_markup_and_fits(hostile):
    body = card_bytes(hostile)
    assert len(body) <= MAX_BYTES
    (attachment,) = json.loads(body)["attachments"]
    assert "entities" not in attachment["content"]["msteams"]  # without them nobody is mentioned
    assert {each["type"] for each in attachment["content"]["body"]} == {"RichTextBlock"}


def test_jira_reads_no_markup(hostile):
    """Texts are nodes; marks are ours: a bold label, a link that we wrote."""
    fields = issue(hostile, project="OPS", issue_type="Task")["fields"]
    links = [
        mark["attrs"]["href"]
        for paragraph in fields["description"]["content"]
        for node in paragraph["content"]
        for mark in node.get("marks", [])
        if mark["type"] == "link"
    ]
    assert links == [
        hostile.runbook_url,
        hostile.incident_url,
        *(each.href for each in hostile.links[:2]),
    ]


def test_labels_for_alertmanager_are_valid_and_none_hides_another(hostile):
    labels = alert_labels(hostile)
    assert labels["incident"] == "7"
    assert labels["slice_incident"] == "y"
    assert labels["_9lives"] == "x"
    assert "camera_id" in labels
    assert all(len(value) <= 1000 and "\n" not in value for value in labels.values())


def test_a_mail_has_no_header_that_a_stranger_wrote(hostile):
    """Parsed again as a mail program would: our headers, our recipients, escaped HTML."""
    for subject in ("", "what it said first"):
        raw = mail_of(hostile, sender=SENDER, to=TO, subject=subject).as_bytes()
        mail = email.message_from_bytes(raw, policy=default)
        assert "Bcc" not in mail
        assert mail["To"] == "a@example.org, b@example.org"
        assert len(mail.get_all("Subject")) == 1
        assert max(len(line) for line in raw.split(b"\r\n")) <= 998
        html = mail.get_body(("html",)).get_content()
        assert "<script" not in html
        assert "https://evil.example)" in html  # as text: no link leads there
        assert 'href="https://evil' not in html
        text = mail.get_body(("plain",)).get_content()
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_mails_of_an_incident_are_one_conversation(make_message, make_incident):
    """All refer to the trigger's id, under its subject; ids are stable and differ."""
    first = mail_of(make_message(), sender=SENDER, to=TO)
    root = first["Message-ID"]
    assert root == "<vigil-incident-7@example.org>"
    assert first["References"] is None
    assert mail_of(make_message(), sender=SENDER, to=TO)["Message-ID"] == root
    ids = {root}
    for event in (MessageEvent.UPDATE, MessageEvent.RESOLVE):
        after = mail_of(make_message(event), sender=SENDER, to=TO, subject=first["Subject"])
        assert (after["In-Reply-To"], after["References"]) == (root, root)
        assert after["Subject"] == f"Re: {first['Subject']}"
        ids.add(after["Message-ID"])
    back = make_message(incident=make_incident(reopened=1), id="incident-7-trigger-9")
    again = mail_of(back, sender=SENDER, to=TO)
    assert again["References"] == root
    ids.add(again["Message-ID"])
    assert len(ids) == 4


def test_the_console_takes_them_too(hostile):
    stream = io.StringIO()
    through(ConsoleNotifier(stream=stream), hostile)
    assert "\x1b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()
