"""A receiver, or a proxy before it, that repeats what it was sent does not make it known."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.notifiers.slack import SlackNotifier

TOKEN = "xoxb-very-secret-token"
KEY = "secret-routing-key-of-32-letters"


class _Echo(BaseHTTPRequestHandler):
    """Answers with the request's own headers and body, in each of the ways to say no."""

    form = "{}"
    status = 200
    pad = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        said = f"{self.pad}{self.headers.get('Authorization', '')} {body}"
        raw = self.form.replace("SAID", said.replace('"', "'").replace("\\", "/")).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize(
    "form", ['{"ok": false, "error": "invalid_auth SAID"}', "<html>SAID</html>", "SAID"]
)
def test_an_echo_of_the_secret_reaches_no_error_and_no_log(
    echo, make_message, caplog, monkeypatch, form, status
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(_Echo, "form", form)
    monkeypatch.setattr(_Echo, "status", status)
    slack = SlackNotifier("chat", token=TOKEN, channel="C1", url=f"{echo}/api/")
    pagerduty = PagerDutyNotifier("oncall", routing_key=KEY, url=echo)
    for notifier in (slack, pagerduty):
        delivery = notifier.deliver(make_message(), thread={})
        assert delivery.error
        assert len(delivery.error) < 500
        for shown in (delivery.error, repr(delivery), caplog.text):
            assert TOKEN not in shown
            assert KEY not in shown
    pagerduty.close()


def test_a_secret_that_an_error_cuts_in_two_does_not_show(echo, make_message, monkeypatch):
    """It is taken out before the text is cut, not after."""
    monkeypatch.setattr(_Echo, "form", "SAID")
    monkeypatch.setattr(_Echo, "status", 400)
    for length in range(230, 300, 7):
        monkeypatch.setattr(_Echo, "pad", "." * length)
        notifier = PagerDutyNotifier("oncall", routing_key=KEY, url=echo)
        assert KEY[:8] not in notifier.deliver(make_message(), thread={}).error
        notifier.close()
