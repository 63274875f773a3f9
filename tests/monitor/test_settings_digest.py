"""A digest goes to receivers that wake nobody."""

from __future__ import annotations

import pytest

from monitor.settings.crosscheck_alerting import cross_check_alerting
from monitor.settings.schema import Settings

RECEIVERS = {
    "chat": {"kind": "console"},
    "oncall": {"kind": "pagerduty", "routing_key": {"env": "PD"}},
    "alerts": {"kind": "alertmanager", "url": "http://127.0.0.1:9093"},
}


@pytest.mark.parametrize(
    ("receiver", "refused"), [("chat", False), ("oncall", True), ("alerts", True)]
)
def test_a_digest_wakes_nobody(receiver: str, refused: bool) -> None:
    settings = Settings.model_validate(
        {"receivers": RECEIVERS, "digest": {"receivers": (receiver,)}}
    )
    told = [one for one in cross_check_alerting(settings) if one.path == ("digest", "receivers")]
    assert [one.expected for one in told] == [
        "receivers that wake nobody (chat, mail, tickets)"
    ] * refused
