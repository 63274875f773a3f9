"""The signed webhook, against the very receiver that the documentation shows."""

from __future__ import annotations

import re
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from alerts.actions.signing import sign
from alerts.notifiers.webhook import FORMAT, WebhookNotifier, body_of
from alerts.types import DeliveryOutcome, MessageEvent
from vigil.clock import ManualClock, SystemClock

SECRET = "shared-secret"
PAGE = Path(__file__).parents[2] / "docs" / "alerting.md"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch):
    """The example, run; ``handled`` is what it acted on."""
    monkeypatch.setenv("VIGIL_WEBHOOK_SECRET", SECRET)
    (example,) = re.findall(r"```python\n(import hashlib.*?)```", PAGE.read_text(), re.DOTALL)
    scope: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "example", "exec"), scope)
    handled: list[dict[str, Any]] = []
    scope["handle"] = handled.append
    scope["Receiver"].log_message = lambda *_: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), scope["Receiver"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield SimpleNamespace(url=f"http://127.0.0.1:{server.server_address[1]}/", handled=handled)
    server.shutdown()
    server.server_close()
    thread.join(5)


def delivered(url: str, message: Any, *, secret: str = SECRET, clock: Any = None) -> Any:
    notifier = WebhookNotifier("hook", url=url, secret=secret, clock=clock)
    delivery = notifier.deliver(message, thread={})
    notifier.close()
    return delivery


def test_the_documented_receiver_acts_on_each_message_once(receiver, make_message):
    """A repeat is taken, and nothing is done for it."""
    for event in (MessageEvent.TRIGGER, MessageEvent.TRIGGER, MessageEvent.RESOLVE):
        delivery = delivered(receiver.url, make_message(event))
        assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error
    assert [each["event"] for each in receiver.handled] == ["trigger", "resolve"]
    assert receiver.handled[0] == body_of(make_message())


def test_it_refuses_the_wrong_secret_what_is_old_and_what_was_changed(receiver, make_message):
    old = ManualClock(make_message().sent_at)
    for values in ({"secret": "other"}, {"clock": old}):
        delivery = delivered(receiver.url, make_message(), **values)
        assert (delivery.outcome, "401" in delivery.error) == (DeliveryOutcome.FAILED, True)
    headers = sign(SECRET, int(SystemClock().now().timestamp()), b"{}")
    for body, sent in ((b'{"id": 1}', headers), (b"{}", {}), (b"{}", {"X-Vigil-Timestamp": "²"})):
        raw = {name.encode(): value.encode() for name, value in sent.items()}
        assert httpx.post(receiver.url, content=body, headers=raw).status_code == 401
    assert receiver.handled == []


def test_the_documented_fields_are_those_that_are_sent(make_message):
    """Each field is named on the page; a field that goes needs another format."""
    body = body_of(make_message())
    page = PAGE.read_text()
    assert FORMAT == body["format"] == 1
    for name in (*body, *body["incident"]):
        assert f"`{name}`" in page, name
