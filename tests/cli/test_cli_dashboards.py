"""``vigil dashboards``: against a Grafana that listens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TOKEN = "glsa_very_secret"


class _Grafana(BaseHTTPRequestHandler):
    """Takes folders and dashboards from whoever holds the token."""

    seen: list[tuple[str, Any]]

    def _answer(self, status: int, body: Any) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def do_GET(self) -> None:
        if self.path == "/api/folders":
            self._answer(200, [])
        else:
            self._answer(404, {"message": "folder not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self._answer(401, {"message": "invalid API key"})
            return
        self.seen.append((self.path, body))
        self._answer(200, {"uid": "vigil-overview", "url": "/d/vigil-overview", "version": 3})

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def grafana(config: Path) -> Iterator[list[tuple[str, Any]]]:
    """What a Grafana was sent; the configuration points at it."""
    seen: list[tuple[str, Any]] = []
    handler = type("Handler", (_Grafana,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    config.write_text(
        config.read_text()
        + f"""
[grafana]
url = "http://127.0.0.1:{server.server_port}"
token = {{ env = "VIGIL_TEST_GRAFANA" }}
folder = "Vision"
datasource = "prom-eu"
"""
    )
    yield seen
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_overview_is_pushed_with_the_chosen_data_source(
    run: Any, grafana: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is made, and the dashboard opens on the configured Prometheus."""
    monkeypatch.setenv("VIGIL_TEST_GRAFANA", TOKEN)
    assert "version 3" in run("dashboards", "push").stdout
    (folder_path, folder), (path, body) = grafana
    assert (folder_path, folder["title"]) == ("/api/folders", "Vision")
    assert path == "/api/dashboards/db"
    (source,) = [
        one for one in body["dashboard"]["templating"]["list"] if one["type"] == "datasource"
    ]
    assert source["current"]["value"] == "prom-eu"


def test_a_refused_token_is_told_and_not_shown(
    run: Any, grafana: list[tuple[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, without the token."""
    monkeypatch.setenv("VIGIL_TEST_GRAFANA", "glsa_wrong")
    result = run("dashboards", "push", code=2)
    assert "401" in result.stderr
    assert "glsa_wrong" not in result.output


def test_without_a_token_nothing_is_pushed(run: Any) -> None:
    """The error names the setting."""
    assert "grafana.token" in run("dashboards", "push", code=2).stderr


def test_the_overview_can_be_written_to_a_file(run: Any, tmp_path: Path) -> None:
    """For provisioning by file."""
    run("dashboards", "export", str(tmp_path / "overview.json"))
    assert json.loads((tmp_path / "overview.json").read_text())["panels"]
