"""The real Alertmanager: fires once, follows what changes, is silenced there, and resolves."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from stub_receivers import ReceiverServer

from alerts.notifiers.alertmanager import AlertmanagerNotifier
from alerts.notifiers.protocol import Told
from alerts.types import DeliveryOutcome, MessageEvent, Severity
from monitor.settings.schema import Settings
from monitor.standins.reply import Reply
from monitor.watch.heartbeat import Heartbeat
from vigil.clock import SystemClock
from vigil.types import Slice

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Alertmanager is not installed")

CONFIGURATION = """
route:
  receiver: hook
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: hook
    webhook_configs:
      - url: "{hook}"
        send_resolved: true
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def until(holds: Callable[[], Any]) -> Any:
    """What ``holds`` gives once it gives something; the test's timeout ends the wait."""
    while not (found := holds()):
        time.sleep(0.05)
    return found


@contextmanager
def alertmanager(folder: Path, hook: str) -> Iterator[httpx.Client]:
    """A running Alertmanager that passes everything on to ``hook``."""
    port = free_port()
    configuration = folder / "alertmanager.yml"
    configuration.write_text(CONFIGURATION.format(hook=hook))
    command = [
        str(PROGRAM),
        f"--config.file={configuration}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}")

    def ready() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            return client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    try:
        until(ready)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)


class Heard:
    """The webhook behind Alertmanager: what people would be told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def __call__(self, request: Any) -> Reply:
        for alert in json.loads(request.body)["alerts"]:
            self.told.append((alert["status"], alert["labels"]["severity"]))
        return Reply()


@pytest.fixture(scope="module")
def heard() -> Heard:
    return Heard()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, heard: Heard) -> Iterator[httpx.Client]:
    hook = ReceiverServer(heard)
    with hook.running() as url, alertmanager(tmp_path_factory.mktemp("am"), url) as client:
        yield client


@pytest.fixture
def clean(heard: Heard) -> Heard:
    heard.told.clear()
    return heard


@pytest.fixture
def notifier(server: httpx.Client) -> Iterator[AlertmanagerNotifier]:
    made = AlertmanagerNotifier("am", url=str(server.base_url))
    yield made
    made.close()


@pytest.fixture
def now() -> datetime:
    return SystemClock().now()


@pytest.fixture
def firing(make_message: Any, make_incident: Any, now: datetime) -> Callable[..., Any]:
    """Messages of an incident that began a minute ago."""

    def made(event: MessageEvent = MessageEvent.TRIGGER, **values: Any) -> Any:
        incident = make_incident(
            onset_at=now - timedelta(minutes=1), detected_at=now, last_firing_at=now, **values
        )
        return make_message(event, incident=incident, sent_at=now)

    return made


def alerts(server: httpx.Client, number: int, **state: str) -> list[dict[str, Any]]:
    wanted = {"filter": f'incident="{number}"', **state}
    return list(server.get("/api/v2/alerts", params=wanted).raise_for_status().json())


def test_an_incident_fires_once_and_resolves(
    server: httpx.Client, clean: Heard, notifier: AlertmanagerNotifier, firing: Any, now: datetime
) -> None:
    """Said three times and reminded of, people are told once; then once that it is over."""
    thread: dict[str, str] = {}
    for _ in range(3):
        delivery = notifier.deliver(firing(id=1), thread=thread)
        assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error
        thread = dict(delivery.receipt)
    assert notifier.remind([Told(message=firing(id=1), receipt=thread)]).outcome is delivery.outcome
    (alert,) = until(lambda: alerts(server, 1))
    assert alert["generatorURL"] == "http://127.0.0.1:8080/incidents/7"
    assert alert["annotations"]["summary"] == "meter-reader v2 is worse than v1"
    assert alert["labels"]["alertname"] == "model_regression"
    assert datetime.fromisoformat(alert["startsAt"]) == now.replace(
        microsecond=now.microsecond // 1000 * 1000
    ) - timedelta(minutes=1)
    ended = firing(MessageEvent.RESOLVE, id=1, resolved_at=now)
    until(lambda: clean.told)
    assert notifier.deliver(ended, thread=thread).outcome is DeliveryOutcome.DELIVERED
    until(lambda: ("resolved", "critical") in clean.told)
    assert clean.told == [("firing", "critical"), ("resolved", "critical")]
    assert alerts(server, 1) == []


def test_an_alert_would_end_by_itself_and_a_reminder_puts_that_off(
    server: httpx.Client, notifier: AlertmanagerNotifier, firing: Any
) -> None:
    """A vigil that died is no reason to fire for ever, nor to end too early."""
    receipt = notifier.deliver(firing(id=2), thread={}).receipt
    (before,) = until(lambda: alerts(server, 2))
    told = Told(message=firing(id=2), receipt=receipt)
    assert notifier.remind([told]).outcome is DeliveryOutcome.DELIVERED
    after = until(lambda: [a for a in alerts(server, 2) if a["endsAt"] > before["endsAt"]])[0]
    ahead = datetime.fromisoformat(after["endsAt"]) - datetime.now(tz=UTC)
    assert timedelta(minutes=5) < ahead <= timedelta(minutes=10)


def test_a_severity_that_rises_ends_the_old_alert(
    server: httpx.Client, clean: Heard, notifier: AlertmanagerNotifier, firing: Any
) -> None:
    """Severity is a label, so another severity is another alert."""
    mild = firing(id=3, severity=Severity.WARNING)
    receipt = notifier.deliver(mild, thread={}).receipt
    until(lambda: clean.told)
    notifier.deliver(firing(MessageEvent.UPDATE, id=3), thread=receipt)
    until(lambda: len(clean.told) >= 3)
    assert sorted(clean.told) == [
        ("firing", "critical"),
        ("firing", "warning"),
        ("resolved", "warning"),
    ]
    assert [each["labels"]["severity"] for each in alerts(server, 3)] == ["critical"]


def test_a_silence_there_is_theirs(
    server: httpx.Client, clean: Heard, notifier: AlertmanagerNotifier, firing: Any, now: datetime
) -> None:
    """Nobody is told, by the labels that vigil gave; for vigil it is delivered."""
    silence = {
        "matchers": [{"name": "camera", "value": "c1", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "a test",
        "comment": "known",
    }
    made = server.post("/api/v2/silences", json=silence).raise_for_status().json()
    until(lambda: server.get(f"/api/v2/silence/{made['silenceID']}").is_success)
    muted = firing(id=4, slice=Slice((("camera", "c1"),)))
    loud = firing(id=5, slice=Slice((("camera", "c2"),)))
    for message in (muted, loud):
        delivery = notifier.deliver(message, thread={})
        assert delivery.outcome is DeliveryOutcome.DELIVERED
    until(lambda: clean.told)
    (alert,) = until(lambda: [a for a in alerts(server, 4) if a["status"]["silencedBy"]])
    assert alert["status"]["state"] == "suppressed"
    assert clean.told == [("firing", "critical")]


def test_what_vigil_sends_is_valid_and_what_is_not_is_refused(
    server: httpx.Client, notifier: AlertmanagerNotifier, firing: Any
) -> None:
    """Alertmanager says 400 to a bad label name; hence ours are made valid."""
    odd = firing(id=6, slice=Slice((("camera-id", "c 1"), ("9lives", "ü"))), model="é\nx")
    delivery = notifier.deliver(odd, thread={})
    assert delivery.outcome is DeliveryOutcome.DELIVERED, delivery.error
    (alert,) = until(lambda: alerts(server, 6))
    assert (alert["labels"]["camera_id"], alert["labels"]["_9lives"]) == ("c 1", "ü")
    bad = [{"labels": {"alertname": "x", "camera-id": "c"}}]
    assert server.post("/api/v2/alerts", json=bad).status_code == 400


def test_a_test_page_is_told_and_ends_by_itself(
    server: httpx.Client, clean: Heard, notifier: AlertmanagerNotifier, firing: Any
) -> None:
    notifier.deliver(firing(MessageEvent.TEST, id=0), thread={})
    until(lambda: clean.told)
    found = server.get("/api/v2/alerts", params={"filter": 'incident="incident-7-test-1"'}).json()
    assert datetime.fromisoformat(found[0]["endsAt"]) < datetime.now(tz=UTC) + timedelta(minutes=3)


def test_the_sign_of_life_fires_while_it_beats_and_ends_when_it_stops(
    server: httpx.Client, now: datetime
) -> None:
    """A dead service says nothing: its alert is over three beats later, and that is missed."""
    settings = Settings.model_validate(
        {
            "receivers": {"am": {"kind": "alertmanager", "url": str(server.base_url)}},
            "heartbeat": {"every_s": 0.5, "receivers": ["am"]},
        }
    )
    heartbeat = Heartbeat(settings)
    assert heartbeat.beat_due(SystemClock().now(), installation="here", started_at=now) == 1
    wanted = {"filter": 'alertname="VigilAlive"'}
    (alive,) = until(lambda: server.get("/api/v2/alerts", params=wanted).json())
    assert (alive["labels"]["installation"], alive["status"]["state"]) == ("here", "active")
    until(lambda: server.get("/api/v2/alerts", params=wanted).json() == [])
    heartbeat.close()
