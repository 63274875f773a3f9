"""The stand-ins are as strict as the real services, and their page shows what was sent, safely."""

from __future__ import annotations

import json
import shutil
import subprocess

import httpx
import numpy as np
import pytest
from PIL import Image

from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.notifiers.slack import SlackNotifier
from alerts.types import MessageEvent
from monitor.standins.app import StandIns
from monitor.standins.mrkdwn import to_html
from monitor.standins.slack_limits import fault_of

KEY = "k" * 32


@pytest.fixture
def standins(tmp_path):
    with StandIns(routing_key=KEY, log=tmp_path / "log.jsonl") as running:
        yield running


def section(text):
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def header(text):
    return {"type": "header", "text": {"type": "plain_text", "text": text}}


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({}, "no_text"),
        ({"text": "x", "blocks": [header("h" * 151)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("s" * 3001)]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("")]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("s")] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section"}]}, "invalid_blocks"),
        (
            {"text": "x", "attachments": [{"blocks": [header("h" * 151)]}]},
            "invalid_blocks",
        ),
        (
            {
                "text": "x",
                "blocks": [{"type": "section", "fields": [{"type": "mrkdwn", "text": "f" * 2001}]}],
            },
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "marquee"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [section("s" * 2900)] * 5}, "msg_blocks_too_long"),
        ({"text": "x", "metadata": {"event_type": "e"}}, "invalid_metadata_format"),
    ],
)
def test_slack_refuses_what_the_real_one_refuses(message, error):
    """By the same name."""
    assert fault_of(message)[0] == error


def test_slack_takes_what_is_within_the_limits():
    """Up to the very limit."""
    blocks = [header("h" * 150), section("s" * 3000), {"type": "divider"}]
    assert fault_of({"text": "x", "blocks": blocks}) is None


@pytest.mark.parametrize(
    ("token", "arguments", "error"),
    [
        ("", {}, "not_authed"),
        ("Bearer nonsense", {}, "invalid_auth"),
        ("Bearer xoxb-1", {"channel": "", "text": "x"}, "channel_not_found"),
        ("Bearer xoxb-1", {"channel": "C000000001", "text": "x", "thread_ts": "1.0"}, "thread"),
    ],
)
def test_slack_answers_200_and_not_ok(standins, token, arguments, error):
    """Errors of the API are not errors of HTTP; the page counts them."""
    reply = httpx.post(
        f"{standins.url}/slack/api/chat.postMessage",
        json=arguments,
        headers={"Authorization": token} if token else {},
    )
    assert reply.status_code == 200
    assert reply.json()["error"].startswith(error)
    assert standins.sent()["refused"]["slack"]


def test_slack_paces_a_channel():
    """The second post within the second is told to wait."""
    with StandIns(slack_pace_s=60) as standins:
        url = f"{standins.url}/slack/api/chat.postMessage"
        headers = {"Authorization": "Bearer xoxb-1"}
        body = {"channel": "#a", "text": "x"}
        assert httpx.post(url, json=body, headers=headers).json()["ok"]
        second = httpx.post(url, json=body, headers=headers)
        assert (second.status_code, second.headers["Retry-After"]) == (429, "60")


def trigger(**values):
    payload = {"summary": "s", "source": "x", "severity": "error"}
    event = {"routing_key": KEY, "event_action": "trigger", "dedup_key": "d", "payload": payload}
    return {**event, **values}


@pytest.mark.parametrize(
    "event",
    [
        trigger(routing_key="short"),
        trigger(routing_key="x" * 32),
        trigger(event_action="open"),
        trigger(dedup_key="d" * 256),
        trigger(payload={"summary": "s" * 1025, "source": "x", "severity": "error"}),
        trigger(payload={"summary": "s", "severity": "error"}),
        trigger(payload={"summary": "s", "source": "x", "severity": "fatal"}),
        trigger(images=[{"src": "http://x/y.png"}]),
        trigger(event_action="resolve", dedup_key=""),
        [],
    ],
)
def test_pagerduty_refuses_what_the_real_one_refuses(standins, event):
    """With 400 and the reason."""
    reply = httpx.post(f"{standins.url}/pagerduty/v2/enqueue", json=event)
    assert reply.status_code == 400
    assert standins.sent()["refused"]["pagerduty"]
    assert standins.sent()["pagerduty"] == []


def test_pagerduty_drops_orphans_and_opens_anew_after_a_resolve(standins):
    """As documented: silently, and twice."""
    url = f"{standins.url}/pagerduty/v2/enqueue"
    for event in (
        trigger(event_action="resolve"),
        trigger(),
        trigger(),
        trigger(event_action="resolve"),
        trigger(),
    ):
        assert httpx.post(url, json=event).status_code == 202
    assert [each["state"] for each in standins.sent()["pagerduty"]] == ["resolved", "triggered"]
    assert len(standins.pagerduty.dropped) == 1
    big = httpx.post(url, json=trigger(links=[{"href": "h" * 600_000}]))
    assert big.status_code == 413


def test_mark_up_is_shown_and_never_run():
    """Bold and links, and nothing that a stranger may have put into a name."""
    assert to_html("*a* <http://x/y|z> b") == (
        '<strong>a</strong> <a href="http://x/y" rel="noreferrer">z</a> b'
    )
    assert "<script" not in to_html("<script>alert(1)</script> &lt;script&gt;")
    assert "javascript" not in to_html("<javascript:alert(1)|x>").partition("href")[2]
    assert '"onload' not in to_html('<http://x" onload="y|z>')


@pytest.fixture
def filled(standins, make_message):
    hostile = make_message(where="<script>alert(1)</script>", what=('"><img src=x onerror=y>',))
    slack = SlackNotifier(
        "chat", token="xoxb-1", channel="#meter-reader", url=f"{standins.url}/slack/api/"
    )
    pagerduty = PagerDutyNotifier("oncall", routing_key=KEY, url=f"{standins.url}/pagerduty")
    for notifier in (slack, pagerduty):
        thread = notifier.deliver(hostile, thread={}).receipt
        update = make_message(MessageEvent.UPDATE, change="rolled back <b>", note="Rolled back.")
        notifier.deliver(update, thread=thread)
    pagerduty.close()
    return standins


def test_the_page_shows_messages_threads_and_pages_escaped(filled):
    """What people would have seen; and that every contract was kept."""
    page = httpx.get(filled.url).text
    assert "<script" not in page
    assert "<img" not in page
    assert "rolled back &lt;b&gt;" in page
    assert "1 reply" in page
    assert "Rolled back." in page
    assert '<span class="tag triggered">' in page
    assert "Every request kept its contract." in page
    assert KEY not in page + httpx.get(f"{filled.url}/sent").text


def test_an_empty_page_explains_itself(standins):
    """Silence is the normal state."""
    page = httpx.get(standins.url).text
    assert "Healthy traffic is quiet" in page
    assert "Nobody was woken." in page
    assert httpx.get(f"{standins.url}/nowhere").status_code == 404


def test_requests_are_logged_without_keys(filled, tmp_path):
    """One line each."""
    text = (tmp_path / "log.jsonl").read_text("utf-8")
    assert KEY not in text
    paths = [json.loads(line)["path"] for line in text.splitlines()]
    assert "/slack/api/chat.postMessage" in paths
    assert "/pagerduty/v2/change/enqueue" in paths


@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
def test_the_page_is_drawn_by_a_browser(filled, tmp_path):
    """A picture with some ink on it."""
    picture = tmp_path / "page.png"
    subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--screenshot={picture}",
            "--window-size=1200,900",
            filled.url,
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("L"))
    assert pixels.shape == (900, 1200)
    assert len(np.unique(pixels)) > 50
