"""Retraining and quality over the API and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from label_rows import NOON, label_row
from typer.testing import CliRunner
from web_client import TestClient

from monitor.cli.app import app as commands
from monitor.services import Services, open_services
from monitor.settings.load import load_settings
from monitor.store import releases
from monitor.web.app import create_app
from monitor.web.auth import create_token
from vigil.clock import SystemClock

NEW = {"model": "reader", "reason": "a new site"}


@pytest.fixture
def clients(services: Services) -> Iterator[dict[str, TestClient]]:
    """A client of each scope; with labels there is something to train on."""
    with services.sessions.begin() as session:
        session.add_all([label_row(f"r-{k}", right=k > 3) for k in range(40)])
        releases.announce(
            session, model="unlabelled", deployment="production", version="v1", actor="t", at=NOON
        )
        tokens = {
            scope: create_token(session, name=f"a-{scope}", scope=scope, actor="t", at=NOON)
            for scope in ("viewer", "operator")
        }
    app, opened = create_app(services), {}
    for scope, token in tokens.items():
        client = TestClient(app, base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5000))
        client.headers["Authorization"] = f"Bearer {token}"
        opened[scope] = client
    yield opened
    for client in opened.values():
        client.close()


def test_a_retraining_is_proposed_allowed_and_named(clients: dict[str, TestClient]) -> None:
    client = clients["operator"]
    made = client.post("/v1/retrainings", json=NEW)
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["state"], one["proposed_by"], one["trigger"]) == (
        "proposed",
        "a-operator",
        "by hand",
    )
    assert one["name"].startswith("vigil-retrain-")
    lines = client.get(f"/v1/datasets/{one['dataset']['sha256']}/labels.jsonl").text.splitlines()
    assert len(lines) == one["dataset"]["items"] == 40
    assert json.loads(lines[0])["id"] == "r-0"
    assert client.post("/v1/retrainings", json=NEW).status_code == 409
    at = f"/v1/retrainings/{one['number']}"
    assert client.post(f"{at}/version", json={"version": "v2"}).status_code == 409
    assert client.post(f"{at}/request").json()["state"] == "requested"
    for _ in range(2):  # a pipeline may say it again
        assert client.post(f"{at}/version", json={"version": "v2"}).json()["version"] == "v2"
    assert client.post(f"{at}/version", json={"version": "v3"}).status_code == 409
    ended = client.post(f"{at}/withdraw", json={"reason": "another way"})
    assert ended.json()["state"] == "withdrawn"
    assert [row["number"] for row in client.get("/v1/retrainings").json()] == [one["number"]]


def test_who_only_looks_changes_nothing(clients: dict[str, TestClient]) -> None:
    assert clients["operator"].post("/v1/retrainings", json=NEW).status_code == 201
    viewer = clients["viewer"]
    assert viewer.post("/v1/retrainings", json=NEW).status_code == 403
    for what, body in (
        ("request", {}),
        ("version", {"version": "v"}),
        ("withdraw", {"reason": "x"}),
    ):
        assert viewer.post(f"/v1/retrainings/1/{what}", json=body).status_code == 403
    assert viewer.get("/v1/retrainings/1").json()["state"] == "proposed"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"model": "reader"}, 422),
        ({"model": "reader", "reason": ""}, 422),
        ({"model": "reader", "reason": "x", "more": 1}, 422),
        ({"model": "reader", "reason": "x", "incident": 99}, 404),
        ({"model": "unlabelled", "reason": "x"}, 422),
    ],
)
def test_a_proposal_that_makes_no_sense_is_refused(
    clients: dict[str, TestClient], body: dict[str, object], status: int
) -> None:
    assert clients["operator"].post("/v1/retrainings", json=body).status_code == status


def test_what_is_not_there_is_not_found(clients: dict[str, TestClient]) -> None:
    client = clients["viewer"]
    assert client.get("/v1/retrainings/7").status_code == 404
    assert client.get(f"/v1/datasets/{'0' * 64}/labels.jsonl").status_code == 404
    assert client.get("/v1/datasets/..%2f..%2fetc/labels.jsonl").status_code in (404, 422)


def test_quality_is_told_with_its_interval(clients: dict[str, TestClient]) -> None:
    found = clients["viewer"].get("/v1/quality/reader/production?days=7").json()
    accuracy = found["quality"]["whole"]["quality"]["accuracy"]
    assert (accuracy["value"], accuracy["records"]) == (0.9, 40)
    assert accuracy["low"] < 0.9 < accuracy["high"]
    assert clients["viewer"].get("/v1/quality/reader/production?days=0").status_code == 422
    assert clients["viewer"].get("/v1/quality/reeder/production").status_code == 404
    asked = clients["operator"].post("/v1/retrainings", json={"model": "reeder", "reason": "x"})
    assert (asked.status_code, asked.json()["detail"]) == (
        404,
        "reeder in production: there is no such model: declare it under [[models]] in the "
        "configuration, or let a tap report it first",
    )


def test_the_command_line_goes_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vigil.toml"
    path.write_text('[service]\ndatabase = "sqlite:///vigil.db"\nsamples = "samples"\n')
    monkeypatch.setenv("VIGIL_CONFIG", str(path))
    services = open_services(load_settings(path), clock=SystemClock())
    with services.sessions.begin() as session:
        at = services.clock.now() - timedelta(hours=1)
        session.add_all([label_row(f"r-{k}", predicted_at=at) for k in range(3)])
    services.close()

    def run(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(commands, ["retrain", *words])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    assert "No retraining was proposed." in run("list")
    told = run("propose", "reader", "--reason", "a new site")
    assert "retraining 1: proposed, on 3 labels in " in told
    (folder,) = (tmp_path / "samples/datasets/reader/production").iterdir()
    assert {one.name for one in folder.iterdir()} == {
        "labels.jsonl",
        "labels.jsonl.dvc",
        "manifest.json",
    }
    assert "by hand" in run("request", "1")
    run("made", "1", "v2")
    assert "v2" in run("show", "1")
    assert json.loads(run("show", "1", "--json"))["version"] == "v2"
    assert [json.loads(line)["id"] for line in run("labels", "1").splitlines()] == [
        "r-0",
        "r-1",
        "r-2",
    ]
    assert "retraining 1: withdrawn" in run("withdraw", "1", "--reason", "no")
    assert "withdrawn" in run("list")
