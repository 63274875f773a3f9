"""The shared HTTP client: waits that are asked for, secrets taken out, and nothing logged."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from stub_receivers import ReceiverServer, Trouble

from alerts.notifiers.http import MOST_WAIT_S, NotDelivered, ReceiverHttp
from alerts.notifiers.secrecy import Hidden
from alerts.types import DeliveryOutcome
from monitor.standins.reply import Reply
from vigil.clock import ManualClock

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def refused(*, headers: dict[str, str] | None = None, body: bytes = b"", status: int = 429):
    """What a request that is answered so ends in."""
    server = ReceiverServer(lambda request: Reply())
    server.then(Trouble(status=status, headers=headers or {}, body=body))
    http = ReceiverHttp("kind", hidden=Hidden("s3cr3t-word"), clock=ManualClock(NOW))
    with server.running() as url, pytest.raises(NotDelivered) as stopped:
        http.send("POST", url, {})
    http.close()
    return stopped.value.delivery


@pytest.mark.parametrize(
    ("said", "waited_s"),
    [
        ("0", 0.0),
        ("90", 90.0),
        ("1.5", 1.5),
        (format_datetime(NOW + timedelta(seconds=75), usegmt=True), 75.0),
        ("Sun, 01 Mar 2026 03:02:00 -0000", 120.0),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0.0),
        ("999999999", MOST_WAIT_S),
        ("-5", 0.0),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("Sun, 99 Foo 2026", None),
        ("", None),
    ],
)
def test_retry_after_is_read_in_both_forms(said, waited_s):
    """Seconds or a date, at most an hour; nonsense asks for nothing."""
    assert refused(headers={"Retry-After": said}).retry_after_s == waited_s


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (408, DeliveryOutcome.RETRY),
        (425, DeliveryOutcome.RETRY),
        (429, DeliveryOutcome.RETRY),
        (503, DeliveryOutcome.RETRY),
        (500, DeliveryOutcome.UNCLEAR),
        (502, DeliveryOutcome.UNCLEAR),
        (504, DeliveryOutcome.UNCLEAR),
        (301, DeliveryOutcome.FAILED),
        (404, DeliveryOutcome.FAILED),
        (413, DeliveryOutcome.FAILED),
    ],
)
def test_each_status_means_one_thing(status, outcome):
    assert refused(status=status).outcome is outcome


def test_an_address_that_is_none_fails_at_once():
    http = ReceiverHttp("kind", hidden=Hidden())
    for url in ("http://127.0.0.1:x/", "ftp://127.0.0.1/x", "nonsense"):
        with pytest.raises(NotDelivered) as stopped:
            http.send("POST", url, {})
        assert stopped.value.delivery.outcome is DeliveryOutcome.FAILED
    http.close()


def test_an_error_is_short_and_on_one_line():
    delivery = refused(status=400, body=("line\r\n\x1b[2J\u202e" * 9999).encode())
    assert len(delivery.error) < 350
    assert delivery.error.isprintable()


@pytest.mark.parametrize(
    "shown",
    [
        "s3cr3t/w&rd",
        "s3cr3t%2Fw%26rd",
        "czNjcjN0L3cmcmQ=",
        "https://h.example/services/T0/s3cr3t-path?sig=s3cr3t-query",
        "/services/T0/s3cr3t-path",
        "s3cr3t-query",
    ],
)
def test_a_secret_is_hidden_in_each_form_that_it_is_sent_in(shown):
    hidden = Hidden("s3cr3t/w&rd", "https://h.example/services/T0/s3cr3t-path?sig=s3cr3t-query")
    told = hidden(f"before {shown} after")
    assert "s3cr3t" not in told
    assert "czNjcjN0" not in told
    assert told.startswith("before")
    assert "s3cr3t" not in repr(hidden)


def test_a_request_of_someone_else_is_still_logged(caplog):
    """Only our own requests are kept out of the log."""
    import httpx

    caplog.set_level(logging.DEBUG)
    server = ReceiverServer(lambda request: Reply())
    http = ReceiverHttp("kind", hidden=Hidden())
    with server.running() as url:
        http.send("POST", f"{url}/ours", {})
        httpx.get(f"{url}/theirs")
    http.close()
    assert "/ours" not in caplog.text
    assert "/theirs" in caplog.text
