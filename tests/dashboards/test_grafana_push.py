"""The calls to Grafana, against a strict stand-in over real HTTP."""

from __future__ import annotations

import http.server
import json
import socket
import sys
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import pytest
import urllib3

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
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Call -> what it answers, in place of what is right; raw bytes are sent as HTML."""
    prefix: str = ""
    raced: bool = False
    """Somebody else makes each folder just before we do."""


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    state = Grafana()

    class Api(http.server.BaseHTTPRequestHandler):
        def answer(self, status: int, body: Any) -> None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            html = isinstance(body, bytes)
            self.send_header("Content-Type", "text/html" if html else "application/json")
            self.send_header("Content-Length", str(len(raw)))
            if status in (301, 302, 307):
                self.send_header("Location", "/login")
            self.end_headers()
            self.wfile.write(raw)

        def may(self) -> bool:
            call = f"{self.command} {self.path}"
            state.calls.append(call)
            if call in state.answers:
                self.answer(*state.answers[call])
                return False
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                self.answer(401, {"message": "Invalid API key"})
                return False
            return True

        def do_GET(self) -> None:
            if not self.may():
                return
            path = self.path.removeprefix(state.prefix)
            uid = path.rpartition("/")[2]
            if path == "/api/folders":
                self.answer(200, [{"uid": u, "title": t} for u, t in state.folders.items()])
            elif path.startswith("/api/folders/") and uid in state.folders:
                self.answer(200, {"uid": uid, "title": state.folders[uid]})
            else:
                self.answer(404, {"message": "folder not found"})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if not self.may():
                return
            assert self.headers["Content-Type"] == "application/json"
            body = json.loads(raw)
            path = self.path.removeprefix(state.prefix)
            if path == "/api/folders":
                assert set(body) == {"uid", "title"}
                if state.raced:
                    state.folders[body["uid"]] = body["title"]
                if body["uid"] in state.folders:
                    self.answer(412, {"message": "a folder with that uid exists"})
                    return
                state.folders[body["uid"]] = body["title"]
                self.answer(200, {"uid": body["uid"], "title": body["title"]})
            elif path == "/api/dashboards/db":
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
                        "url": f"{state.prefix}/d/{dashboard['uid']}/vigil",
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


def test_a_folder_that_bears_the_title_is_used(grafana: Grafana) -> None:
    """A person made the folder, so its uid is not ours: the dashboard goes there."""
    grafana.folders["nErXDvCkzz"] = "Vision models"
    push(overview(), url=grafana.url, token=TOKEN, folder="Vision models")
    assert grafana.folders == {"nErXDvCkzz": "Vision models"}
    assert grafana.dashboards[UID]["version"] == 1


def test_a_folder_that_was_made_meanwhile_is_used(grafana: Grafana) -> None:
    """Two first pushes at once: the one that comes second finds the folder there."""
    grafana.raced = True
    push(overview(), url=grafana.url, token=TOKEN, folder="vigil")
    assert (len(grafana.folders), len(grafana.dashboards)) == (1, 1)


def test_a_folder_that_is_refused_says_why(grafana: Grafana) -> None:
    """A conflict without a folder to show for it is an error."""
    grafana.answers["POST /api/folders"] = (412, {"message": "the name is taken"})
    with pytest.raises(GrafanaError, match="POST /api/folders: 412: the name is taken"):
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")
    assert grafana.dashboards == {}


def test_a_grafana_below_a_path_is_reached(grafana: Grafana) -> None:
    """The calls carry the path, and the dashboard's address has it once."""
    grafana.prefix = "/grafana"
    for url in (f"{grafana.url}/grafana", f"{grafana.url}/grafana/"):
        pushed = push(overview(), url=url, token=TOKEN, folder="vigil")
        assert pushed.url == f"{grafana.url}/grafana/d/{UID}/vigil"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", ["GET /api/folders/vigil", "POST /api/dashboards/db"])
def test_a_refused_token_is_said(grafana: Grafana, call: str, status: int) -> None:
    """The error tells what kind of token is needed."""
    grafana.answers[call] = (status, {"message": "no"})
    with pytest.raises(GrafanaError, match=f"{call}: {status}: expected a service account token"):
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"message": f"bad header: Bearer {TOKEN}"}),
        (412, {"message": "x" * (300 - 10) + TOKEN}),
        (500, {"message": TOKEN}),
        (502, f"<p>{TOKEN}</p>".encode()),
        (401, {"message": TOKEN}),
    ],
)
def test_the_token_is_never_in_the_error(grafana: Grafana, answer: tuple[int, Any]) -> None:
    """Not even when the answer repeats it; and no error of the library hangs on ours."""
    grafana.answers["POST /api/dashboards/db"] = answer
    with pytest.raises(GrafanaError) as caught:
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "glsa_" not in told
    assert caught.value.__context__ is None


def test_the_stand_in_refuses_a_wrong_token(grafana: Grafana) -> None:
    """Nothing is made without the right one."""
    with pytest.raises(GrafanaError, match="401: expected a service account token") as caught:
        push(overview(), url=grafana.url, token="wrong-secret", folder="vigil")
    assert "wrong-secret" not in repr(caught.value)
    assert (grafana.folders, grafana.dashboards) == ({}, {})


@pytest.mark.parametrize("token", ["", "glsa_a\nglsa_b", "glsa_é", "glsa_ a"])
def test_a_token_that_no_header_can_hold_is_refused(grafana: Grafana, token: str) -> None:
    """Before anything is sent, and without showing it."""
    with pytest.raises(GrafanaError, match="the token: expected visible ASCII") as caught:
        push(overview(), url=grafana.url, token=token, folder="vigil")
    assert "glsa" not in str(caught.value)
    assert grafana.calls == []


@pytest.mark.parametrize("url", ["", "grafana:3000", "ftp://grafana", "http://", "http://g:99999"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """Before anything is sent."""
    with pytest.raises(GrafanaError, match=r"Grafana's url: expected http://host"):
        push(overview(), url=url, token=TOKEN, folder="vigil")


def test_the_address_carries_no_password_and_no_switches(grafana: Grafana) -> None:
    """A user in the address is not passed on, nor shown with the dashboard's address."""
    url = grafana.url.replace("//", "//admin:hunter2@") + "?verify=false"
    assert push(overview(), url=url, token=TOKEN, folder="vigil").url.startswith(grafana.url)


def test_certificates_are_verified(grafana: Grafana, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the address says; and every call has our timeout."""
    import requests

    seen = []
    real = requests.Session.request

    def request(self: requests.Session, method: str, url: str, **options: Any) -> Any:
        seen.append((options["verify"], options["timeout"]))
        return real(self, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", request)
    push(overview(), url=grafana.url + "/?verify=false", token=TOKEN, folder="vigil", timeout_s=7.5)
    assert set(seen) == {(True, 7.5)}


def test_a_refused_dashboard_says_why(grafana: Grafana) -> None:
    """Grafana's own reason is passed on."""
    with pytest.raises(GrafanaError, match="400: Dashboard title cannot be empty"):
        push({**overview(), "title": ""}, url=grafana.url, token=TOKEN, folder="vigil")


@pytest.mark.parametrize("status", [412, 500, 503])
@pytest.mark.parametrize("call", ["GET /api/folders/vigil", "POST /api/dashboards/db"])
def test_a_broken_grafana_is_an_error_that_names_the_call(
    grafana: Grafana, call: str, status: int
) -> None:
    """No such answer is a success, and its status can be asked for."""
    grafana.answers[call] = (status, {"message": "it is broken"})
    with pytest.raises(GrafanaError, match=f"{call}: {status}: it is broken") as caught:
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")
    assert caught.value.status == status


def test_a_broken_proxy_is_no_grafana(grafana: Grafana) -> None:
    """A page of HTML for an error has no reason to give."""
    grafana.answers["GET /api/folders/vigil"] = (502, b"<h1>Bad gateway</h1>")
    with pytest.raises(GrafanaError, match="502: no reason given"):
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(grafana: Grafana, status: int) -> None:
    """A POST would become a GET, and seem to have worked."""
    grafana.answers["POST /api/dashboards/db"] = (status, b"")
    with pytest.raises(GrafanaError, match="found a redirect"):
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")
    assert grafana.calls[-1] == "POST /api/dashboards/db"


def test_a_page_of_something_else_is_not_taken_for_an_answer(grafana: Grafana) -> None:
    """Another service at the address answers 200 to everything."""
    grafana.answers["GET /api/folders/vigil"] = (200, b"<h1>Welcome</h1>")
    with pytest.raises(GrafanaError, match="expected JSON, found something else"):
        push(overview(), url=grafana.url, token=TOKEN, folder="vigil")


def test_no_grafana_at_all_is_a_short_error() -> None:
    """Nobody listens: one line, no stack of libraries."""
    with pytest.raises(GrafanaError, match="ConnectionError: no answer") as caught:
        push(overview(), url="http://127.0.0.1:9", token=TOKEN, folder="vigil", timeout_s=2)
    assert TOKEN not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_grafana_that_hangs_is_given_up() -> None:
    """Somebody listens and says nothing: the timeout holds."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(GrafanaError, match="ReadTimeout: no answer"):
            push(overview(), url=url, token=TOKEN, folder="vigil", timeout_s=0.2)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install can't push, and says what would."""
    monkeypatch.setitem(sys.modules, "grafana_client", None)
    with pytest.raises(GrafanaError, match=r"grafana_client is not installed.*vigil-cv\[grafana\]"):
        push(overview(), url="http://127.0.0.1:9", token=TOKEN, folder="vigil")


def test_another_major_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its errors and its transport are not those that we know."""
    monkeypatch.setattr("grafana_client.__version__", "5.1.4")
    with pytest.raises(GrafanaError, match=r"found 5\.1\.4.*vigil-cv\[grafana\]"):
        push(overview(), url="http://127.0.0.1:9", token=TOKEN, folder="vigil")


def test_urllib3_is_the_genuine_one() -> None:
    """No dependency of ours has put its fork there (docs/decisions/0002)."""
    assert urllib3.__version__ == metadata.version("urllib3")
    assert metadata.packages_distributions()["urllib3"] == ["urllib3"]
