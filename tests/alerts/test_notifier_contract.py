"""One contract for every notifier over HTTP: what it makes of each way in which an API can fail."""

from __future__ import annotations

import json
import socket

import pytest
from stub_receivers import KINDS, ReceiverServer, Trouble, rig

from alerts.notifiers.protocol import Guarantee, Notifier
from alerts.types import Delivery, DeliveryOutcome, MessageEvent
from monitor.standins.reply import Reply

DELIVERED, RETRY = DeliveryOutcome.DELIVERED, DeliveryOutcome.RETRY
FAILED, UNCLEAR = DeliveryOutcome.FAILED, DeliveryOutcome.UNCLEAR
NO = b'{"ok": false, "error": "invalid_auth", "message": "no"}'
EVENTS = tuple(MessageEvent)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def follow(notifier: Notifier, make_message, *events: MessageEvent) -> dict[str, str]:
    """The receipt after these events of an incident."""
    thread: dict[str, str] = {}
    for event in events:
        delivery = notifier.deliver(make_message(event, note=f"News: {event}."), thread=thread)
        assert delivery.outcome is DELIVERED, delivery.error
        thread = json.loads(json.dumps(dict(delivery.receipt)))
    return thread


def attempt(kind: str, make_message, trouble: Trouble, *, timeout_s: float = 5.0) -> Delivery:
    """A trigger that meets trouble."""
    made = rig(kind)
    with made.running(timeout_s=timeout_s) as notifier:
        made.server.then(trouble)
        return notifier.deliver(make_message(), thread={})


def test_an_incident_goes_through_its_whole_life(kind, make_message):
    """Trigger, update, acknowledge, resolve, and again: all taken, none refused."""
    made = rig(kind)
    with made.running() as notifier:
        follow(notifier, make_message, *EVENTS[:4], MessageEvent.TRIGGER, MessageEvent.RESOLVE)
    assert not made.refused()
    assert made.shown() >= 1


def test_a_test_page_arrives(kind, make_message):
    made = rig(kind)
    with made.running() as notifier:
        follow(notifier, make_message, MessageEvent.TEST)
    assert not made.refused()
    assert made.shown() == 1


def test_too_many_requests_wait_as_long_as_asked(kind, make_message):
    busy = Trouble(status=429, headers={"Retry-After": "17"}, body=NO)
    delivery = attempt(kind, make_message, busy)
    assert (delivery.outcome, delivery.retry_after_s) == (RETRY, 17.0)


def test_an_internal_error_may_have_done_it(kind, make_message):
    delivery = attempt(kind, make_message, Trouble(status=500, body=b"oops"))
    assert delivery.outcome is UNCLEAR
    assert "500" in delivery.error


def test_an_api_that_hangs_is_unclear(kind, make_message):
    delivery = attempt(kind, make_message, Trouble(how="hang"), timeout_s=0.5)
    assert delivery.outcome is UNCLEAR


@pytest.mark.parametrize("how", ["drop", "reset"])
def test_a_line_that_breaks_is_unclear(kind, make_message, how):
    """No answer, and half an answer that said 200."""
    assert attempt(kind, make_message, Trouble(how=how)).outcome is UNCLEAR


def test_an_api_that_is_away_is_tried_again(kind, make_message):
    """The connection was never made: surely nothing was sent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        notifier = rig(kind).open(f"http://127.0.0.1:{free.getsockname()[1]}", 2.0)
        delivery = notifier.deliver(make_message(), thread={})
    assert delivery.outcome is RETRY, delivery


@pytest.mark.parametrize("status", [400, 401])
def test_a_refusal_is_final(kind, make_message, status):
    delivery = attempt(kind, make_message, Trouble(status=status, body=NO))
    assert delivery.outcome is FAILED
    assert delivery.error


def test_a_redirect_leads_nowhere(kind, make_message):
    """What is sent, secrets too, is meant for nobody else."""
    elsewhere = ReceiverServer(lambda request: Reply(body=b"ok"))
    with elsewhere.running() as url:
        away = Trouble(status=302, headers={"Location": f"{url}/ok"})
        delivery = attempt(kind, make_message, away)
    assert elsewhere.seen == []
    assert delivery.outcome is not DELIVERED


def test_an_answer_without_end_ends(kind, make_message):
    """8 MiB that nobody asked for."""
    delivery = attempt(kind, make_message, Trouble(how="endless"))
    assert len(delivery.error) < 500


def test_a_login_page_is_no_delivery(kind, make_message):
    """200 from a proxy in between. A plain webhook promises no more than a 2xx."""
    page = Trouble(body=b"<!doctype html><title>Log in</title>")
    expected = DELIVERED if kind == "webhook" else UNCLEAR
    assert attempt(kind, make_message, page).outcome is expected


def test_no_with_http_200_is_no_delivery(kind, make_message):
    """As Slack says it. Where any 2xx is a yes, a body changes nothing."""
    delivery = attempt(kind, make_message, Trouble(body=NO))
    if kind.startswith("slack"):
        assert (delivery.outcome, "invalid_auth" in delivery.error) == (FAILED, True)
    elif kind not in ("webhook", "teams", "alertmanager"):
        assert delivery.outcome is UNCLEAR


@pytest.mark.parametrize("event", EVENTS[:4])
def test_a_repeat_after_a_lost_answer_shows_once(kind, make_message, event):
    """Whichever of its requests was the one whose answer got lost. Where repeats can't be told
    apart there is one more, and nothing is lost."""
    before = () if event is MessageEvent.TRIGGER else (MessageEvent.TRIGGER,)
    message = make_message(event, note="What is new.")

    def delivered(lost: int | None) -> tuple[int, int]:
        made = rig(kind)
        with made.running() as notifier:
            thread = follow(notifier, make_message, *before)
            done = len(made.server.seen)
            if lost is not None:
                made.server.then(*[Trouble(how="pass_on")] * lost, Trouble(how="drop", does=True))
                first = notifier.deliver(message, thread=thread)
                assert first.outcome is UNCLEAR
            again = notifier.deliver(message, thread=thread, unclear=lost is not None)
            assert again.outcome is DELIVERED, again.error
            assert not made.refused()
            return made.shown(), len(made.server.seen) - done

    once, requests = delivered(None)
    may_repeat = rig(kind).open("http://127.0.0.1:1", 1.0).guarantee is Guarantee.MAY_REPEAT
    for lost in range(requests):
        shown, _ = delivered(lost)
        assert shown == once + (1 if may_repeat else 0), f"request {lost} of {requests}"
