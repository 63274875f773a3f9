"""The real Prometheus and Alertmanager: a rule that fires becomes an incident here, and ends."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from inb_scene import NOON, Scene
from sqlalchemy import select

from alerts.types import Incident, Severity
from monitor.store.tables import IncidentRow
from monitor.web import auth

PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
pytestmark = [
    pytest.mark.prometheus,
    pytest.mark.skipif(
        PROMETHEUS is None or ALERTMANAGER is None,
        reason="Prometheus or Alertmanager is not installed",
    ),
]
ROUTE = """
route:
  receiver: vigil
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: vigil
    webhook_configs:
      - url: "{url}/v1/inbound/alertmanager"
        send_resolved: true
        http_config:
          authorization:
            credentials: "{token}"
"""
SCRAPE = """
global: {{evaluation_interval: 1s}}
rule_files: ["rules.yml"]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
RULES = """
groups:
  - name: service
    rules:
      - alert: HighErrors
        expr: vector({errors}) > 0
        labels: {{model: reader, severity: critical}}
        annotations: {{summary: "5xx above 5 %"}}
      - alert: SlowDisk
        expr: vector({slow}) > 0
        labels: {{model: other, severity: warning}}
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def until(holds: Callable[[], Any]) -> Any:
    """What ``holds`` gives once it gives something; the test's timeout ends the wait."""
    while not (found := holds()):
        time.sleep(0.1)
    return found


class Pair:
    """Both programs, running; Prometheus knows Alertmanager, which knows vigil."""

    def __init__(self, folder: Path, scene: Scene, token: str) -> None:
        self._folder, alerts, metrics = folder, free_port(), free_port()
        (folder / "alertmanager.yml").write_text(ROUTE.format(url=scene.url, token=token))
        (folder / "prometheus.yml").write_text(SCRAPE.format(port=alerts))
        self.write(errors=0, slow=0)
        self.alertmanager = httpx.Client(base_url=f"http://127.0.0.1:{alerts}")
        self.prometheus = httpx.Client(base_url=f"http://127.0.0.1:{metrics}")
        self._processes = [
            self._run(
                str(ALERTMANAGER),
                f"--config.file={folder}/alertmanager.yml",
                f"--storage.path={folder}/alerts",
                f"--web.listen-address=127.0.0.1:{alerts}",
                "--cluster.listen-address=",
            ),
            self._run(
                str(PROMETHEUS),
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/metrics",
                f"--web.listen-address=127.0.0.1:{metrics}",
                "--web.enable-lifecycle",
                "--rules.alert.resend-delay=15s",
            ),
        ]
        for client in (self.alertmanager, self.prometheus):
            until(lambda client=client: self._ready(client))

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{Path(command[0]).name}.log").open("wb") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    @staticmethod
    def _ready(client: httpx.Client) -> bool:
        try:
            return client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def write(self, *, errors: int, slow: int) -> None:
        (self._folder / "rules.yml").write_text(RULES.format(errors=errors, slow=slow))

    def rules(self, *, errors: int, slow: int) -> None:
        self.write(errors=errors, slow=slow)
        assert self.prometheus.post("/-/reload").is_success

    def close(self) -> None:
        for client in (self.alertmanager, self.prometheus):
            client.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(20)


@pytest.fixture
def pair(lone_scene: Scene, tmp_path: Path) -> Iterator[Pair]:
    with lone_scene.services.sessions.begin() as session:
        token = auth.create_token(session, name="am", scope="ingest", actor="test", at=NOON)
    made = Pair(tmp_path, lone_scene, token)
    yield made
    made.close()


def of_model(scene: Scene, model: str) -> list[Incident]:
    with scene.services.sessions() as session:
        rows = session.scalars(select(IncidentRow).where(IncidentRow.model == model))
        return [Incident.from_columns(row) for row in rows]


@pytest.mark.slow
def test_a_rule_that_fires_is_an_incident_until_it_stops(lone_scene: Scene, pair: Pair) -> None:
    """And one that Alertmanager silences comes when the silence ends."""
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "alertname", "value": "SlowDisk", "isRegex": False}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": "known",
    }
    made = pair.alertmanager.post("/api/v2/silences", json=silence)
    assert made.is_success
    pair.rules(errors=1, slow=1)
    (incident,) = until(lambda: of_model(lone_scene, "reader"))
    assert incident.title == "HighErrors on reader: 5xx above 5 %"
    assert incident.severity is Severity.CRITICAL
    assert of_model(lone_scene, "other") == []
    ended = pair.alertmanager.delete(f"/api/v2/silence/{made.json()['silenceID']}")
    assert ended.is_success
    until(lambda: of_model(lone_scene, "other"))
    pair.rules(errors=0, slow=1)
    until(lambda: not of_model(lone_scene, "reader")[0].state.is_open)
    assert of_model(lone_scene, "other")[0].state.is_open
