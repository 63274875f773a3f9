"""The calls to Grafana, against a strict stand-in over real HTTP."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dashboards.grafana.overview import UID, overview
from dashboards.grafana.push import GrafanaError, push

TOKEN = "glsa_very-secret"


@dataclass
class Grafana:
    """Refuses what the real one refuses: no token, an unknown folder, a version conflict."""

    url: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    broken: int = 0


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    state = Grafana()

    class Api(http.server.BaseHTTPRequestHandler):
        def answer(self, status: int, body: Any) -> None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def may(self) -> bool:
            state.calls.append(f"{self.command} {self.path}")
            if state.broken:
                self.answer(state.broken, {"message": "it is broken"})
                return False
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, {"message": "Invalid API key"})
                return False
            return True

        def do_GET(self) -> None:
            if not self.may():
                return
            uid = self.path.rpartition("/")[2]
            if self.path.startswith("/api/folders/") and uid in state.folders:
                self.answer(200, {"uid": uid, "title": state.folders[uid]})
            else:
                self.answer(404, {"message": "folder not found"})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.may():
                return
            assert self.headers["Content-Type"] == "application/json"
            body = json.loads(raw)
            if self.path == "/api/folders":
                if body["uid"] in state.folders:
                    self.answer(412, {"message": "a folder with that uid exists"})
                    return
                state.folders[body["uid"]] = body["title"]
                self.answer(200, {"uid": body["uid"], "title": body["title"]})
            elif self.path == "/api/dashboards/db":
                self.save(body)
            else:
                self.answer(404, {"message": "not found"})

        def save(self, body: dict[str, Any]) -> None:
            dashboard = body["dashboard"]
            assert set(body) == {"dashboard", "folderUid", "overwrite", "message"}
            if not dashboard.get("title"):
                self.answer(400, {"message": "Dashboard title cannot be empty"})
            elif body["folderUid"] not in state.folders:
                self.answer(400, {"message": "folder not found"})
            elif dashboard["uid"] in state.dashboards and not body["overwrite"]:
                self.answer(412, {"message": "version mismatch"})
            else:
                before = state.dashboards.get(dashboard["uid"], {"version": 0})
                version = before["version"] + 1
                state.dashboards[dashboard["uid"]] = {**dashboard, "version": version}
                self.answer(
                    200,
                    {
                        "uid": dashboard["uid"],
                        "url": f"/d/{dashboard['uid']}/vigil",
                        "status": "success",
                        "version": version,
                    },
                )

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def test_the_first_push_makes_folder_and_dashboard(grafana: Grafana) -> None:
    """A fresh Grafana gets both, and we learn where the dashboard is."""
    pushed = push(overview(), url=grafana.url + "/", token=TOKEN, folder="Vision models")
    assert grafana.folders == {"vision-models": "Vision models"}
    assert len(grafana.dashboards[UID]["panels"]) == len(overview()["panels"])
    assert pushed.url == f"{grafana.url}/d/{UID}/vigil"
    assert pushed.version == 1


def test_pushing_again_replaces_it(grafana: Grafana) -> None:
    """The second push makes no second folder and no second dashboard."""
    for _ in range(2):
        pushed = push(overview(), url=grafana.url, token=TOKEN, folder="vigil")
    assert (len(grafana.folders), len(grafana.dashboards), pushed.version) == (1, 1, 2)
    assert grafana.calls.count("POST /api/folders") == 1


def test_a_wrong_token_is_said_without_showing_it(grafana: Grafana) -> None:
    """The error tells what kind of token is needed, never the token."""
    with pytest.raises(GrafanaError, match="401: expected a service account token") as caught:
        push(overview(), url=grafana.url, token="wrong-secret", folder="vigil")
    assert "wrong-secret" not in repr(caught.value)


def test_a_refused_dashboard_says_why(grafana: Grafana) -> None:
    """Grafana's own reason is passed on."""
    with pytest.raises(GrafanaError, match="400: Dashboard title cannot be empty"):
        push({**overview(), "title": ""}, url=grafana.url, token=TOKEN, folder="vigil")


def test_a_broken_grafana_is_an_error_that_names_the_call(grafana: Grafana) -> None:
    """A 500 is no success."""
    grafana.broken = 500
    with pytest.raises(GrafanaError, match=r"GET /api/folders/vigil: 500: it is broken"):
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")


def test_no_grafana_at_all_is_a_short_error() -> None:
    """Nobody listens: one line, no stack of libraries."""
    with pytest.raises(GrafanaError, match="no answer") as caught:
        push(overview(), url="http://127.0.0.1:9", token=TOKEN, folder="vigil", timeout_s=2)
    assert TOKEN not in str(caught.value)
