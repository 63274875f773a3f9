"""Controls over the API and from the command line: who may do what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from control_room import DEPLOYMENT, MODEL, Room
from typer.testing import CliRunner
from web_client import TestClient

from monitor.cli.app import app as command_line
from monitor.controls.worker import ControlWorker
from monitor.schedule.wiring import wire
from monitor.services import open_services
from monitor.settings.load import load_settings
from monitor.web.app import create_app
from monitor.web.auth import create_token

HOME = "http://127.0.0.1:8080"
ASK = {"model": MODEL, "deployment": DEPLOYMENT, "what": "flag", "name": "retry", "value": "on"}
CONFIG = """
[service]
database = "sqlite:///vigil.db"
samples = "samples"

[[models]]
name = "reader"

[models.controls]
target = "file"
file = "controls.json"
"""


@pytest.fixture
def client(lone_room: Room) -> Iterator[TestClient]:
    app = create_app(lone_room.services)
    with TestClient(app, base_url=HOME, client=("127.0.0.1", 5000)) as opened:
        yield opened


def bearer(room: Room, scope: str) -> dict[str, str]:
    with room.services.sessions.begin() as session:
        token = create_token(session, name=scope, scope=scope, actor="test", at=room.clock.now())
    return {"Authorization": f"Bearer {token}"}


def test_operators_ask_and_approvers_allow(lone_room: Room, client: TestClient) -> None:
    viewer, operator, approver = (
        bearer(lone_room, scope) for scope in ("viewer", "operator", "approver")
    )
    assert client.post("/v1/controls", json=ASK).status_code == 401
    assert client.post("/v1/controls", json=ASK, headers=viewer).status_code == 403
    at_once = {**ASK, "approve": True}
    assert client.post("/v1/controls", json=at_once, headers=operator).status_code == 403
    asked = client.post("/v1/controls", json=ASK, headers=operator)
    assert (asked.status_code, asked.json()["state"]) == (201, "waiting")
    assert client.post("/v1/controls", json=ASK, headers=operator).status_code == 409
    number, plan = asked.json()["id"], {"plan_hash": asked.json()["plan_hash"]}
    way = f"/v1/controls/{number}/approve"
    assert client.post(way, json=plan, headers=operator).status_code == 403
    assert client.post(way, json={"plan_hash": "0" * 64}, headers=approver).status_code == 409
    assert client.post(way, json=plan, headers=approver).json()["approved_by"] == "approver"
    lone_room.run()
    (row,) = client.get("/v1/controls", headers=viewer).json()
    assert (row["state"], row["actor"], row["approved_by"]) == ("done", "operator", "approver")
    assert client.post(f"/v1/controls/{number}/undo", headers=viewer).status_code == 403
    back = client.post(f"/v1/controls/{number}/undo", headers=operator)
    assert (back.status_code, back.json()["before"], back.json()["after"]) == (201, "on", "")
    gone = client.post(f"/v1/controls/{back.json()['id']}/withdraw", headers=operator)
    assert gone.json()["state"] == "refused"
    assert client.post("/v1/controls/99/undo", headers=operator).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [{"what": "colour"}, {"value": "maybe"}, {"name": None}, {"incident_id": 0}, {"extra": 1}],
)
def test_what_does_not_fit_is_422(
    lone_room: Room, client: TestClient, wrong: dict[str, Any]
) -> None:
    operator = bearer(lone_room, "operator")
    assert client.post("/v1/controls", json={**ASK, **wrong}, headers=operator).status_code == 422


def test_a_model_without_a_target_is_told(lone_room: Room, client: TestClient) -> None:
    operator = bearer(lone_room, "operator")
    reply = client.post("/v1/controls", json={**ASK, "model": "sorter"}, headers=operator)
    assert reply.status_code == 422
    assert "no target for controls" in reply.json()["detail"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "vigil.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(command_line, list(arguments))
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


def work(folder: Path) -> None:
    """What the running service does, wired as it is there."""
    services = open_services(load_settings(folder / "vigil.toml"))
    worker: ControlWorker = wire(services, holder="test").controls
    for _ in range(3):
        worker.run_due()
    services.close()


def test_a_control_from_the_command_line(run: Any, tmp_path: Path) -> None:
    said = run("control", "set", "reader", "threshold:accept=0.8", "--reason", "too sure")
    assert "control 1: threshold accept of reader in production: not set -> 0.8" in said
    plan = said.split()[-1]
    assert "its plan is" in run("control", "approve", "1", "0" * 12, code=2)
    run("control", "approve", "1", plan)
    work(tmp_path)
    (row,) = json.loads(run("control", "list", "--json"))
    assert (row["what"], row["after"], row["state"]) == ("threshold accept", "0.8", "done")
    held = json.loads((tmp_path / "controls.json").read_text())
    assert held["controls"]["reader"]["production"] == {"threshold": {"accept": "0.8"}}
    run("control", "undo", "1")
    run("control", "withdraw", "2")
    run("control", "set", "reader", "kill=on", "--approve")
    assert "kill" in run("control", "list", "--model", "reader")


@pytest.mark.parametrize("wrong", ["accept", "threshold:accept", "=3", "colour:a=3"])
def test_a_control_that_is_none_is_said(run: Any, wrong: str) -> None:
    assert "expected" in run("control", "set", "reader", wrong, code=2)
