"""``vigil targets``: what a person sees who has just written the settings of a rollback target."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from stub_targets.rigs import MARK, Rig, rig
from typer.testing import CliRunner

from monitor.cli.app import app

HEAD = "[[models]]\nname = 'reader'\n[models.rollback]\n"


def asked(folder: Path, text: str, *more: str):
    (folder / "vigil.toml").write_text(text)
    return CliRunner().invoke(app, ["targets", "--config", str(folder / "vigil.toml"), *more])


def of_deployment(url: str, **values: str) -> str:
    said = {"namespace": "models", "name": "reader", "url": url, **values}
    lines = "\n".join(f"{key} = '{value}'" for key, value in said.items())
    token = "token = { env = 'CLUSTER_TOKEN' }"
    return f"{HEAD}target = 'deployment'\n[models.rollback.kubernetes]\n{lines}\n{token}\n"


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Rig:
    monkeypatch.setenv("CLUSTER_TOKEN", MARK)
    return rig("deployment", tmp_path)


def test_a_target_that_answers_is_ready(cluster, tmp_path):
    """With the version that serves, and nothing was changed."""
    assert cluster.server is not None
    with cluster.server.running() as url:
        done = asked(tmp_path, of_deployment(url), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output) == [
        {
            "model": "reader",
            "deployment": "production",
            "target": "deployment",
            "serving": "v2",
            "ready": "yes",
        }
    ]
    assert cluster.changes() == 0
    assert {one.method for one in cluster.server.seen} == {"GET"}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"name": "typo"}, 'HTTP 404 deployments "typo" not found'),
        ({"namespace": "other"}, "HTTP 403 deployments is forbidden"),
        ({"version_at": "label:none"}, "does not tell which version serves"),
    ],
)
def test_what_is_wrong_is_told_in_words(cluster, tmp_path, values, problem):
    assert cluster.server is not None
    with cluster.server.running() as url:
        done = asked(tmp_path, of_deployment(url, **values), "--json")
    assert done.exit_code == 1
    assert problem in json.loads(done.output)[0]["ready"]


def test_a_wrong_token_is_told_and_not_shown(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTER_TOKEN", "another-token-0123456789")
    assert cluster.server is not None
    with cluster.server.running() as url:
        done = asked(tmp_path, of_deployment(url))
    assert done.exit_code == 1
    assert "401" in done.output
    assert os.environ["CLUSTER_TOKEN"] not in done.output


def test_a_system_that_is_away_is_told(cluster, tmp_path):
    done = asked(tmp_path, of_deployment("http://127.0.0.1:1"), "--json")
    assert done.exit_code == 1
    assert "connection refused" in json.loads(done.output)[0]["ready"]


def test_a_token_that_is_not_there_names_its_setting(tmp_path, monkeypatch):
    monkeypatch.delenv("CLUSTER_TOKEN", raising=False)
    done = asked(tmp_path, of_deployment("http://127.0.0.1:1"), "--json")
    assert done.exit_code == 1
    assert "models.reader.rollback.kubernetes.token" in json.loads(done.output)[0]["ready"]


def test_a_damaged_registry_and_a_missing_program_are_told(tmp_path):
    (tmp_path / "r.json").write_text("{")
    done = asked(tmp_path, f"{HEAD}target = 'registry'\nregistry = 'r.json'\n", "--json")
    assert "r.json: can't be read" in json.loads(done.output)[0]["ready"]
    program = f"{HEAD}target = 'command'\n[models.rollback.command]\nargv = ['/no/such/program']\n"
    done = asked(tmp_path, program, "--json")
    assert "can't be started" in json.loads(done.output)[0]["ready"]
    assert done.exit_code == 1


def test_without_targets_it_says_how_to_get_one(tmp_path):
    done = asked(tmp_path, "[[models]]\nname = 'reader'\n")
    assert (done.exit_code, "declare one under [models.rollback]" in done.output) == (0, True)
