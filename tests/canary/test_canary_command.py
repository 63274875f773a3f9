"""``vigil canary`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.cli.app import app

CONFIG = """
[service]
database = "sqlite:///vigil.db"
samples = "samples"

[[models]]
name = "reader"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "vigil.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


def test_a_canary_from_start_to_end(run: Any) -> None:
    run("release", "reader", "v1")
    said = run("canary", "start", "reader", "v2", "--share", "0.1", "--separator", "/")
    assert (
        said == "canary 1: v2 beside v1 in reader/production; units reach it with probability 0.1\n"
    )
    (row,) = json.loads(run("canary", "list", "--json"))
    assert (row["candidate"], row["state"], row["units"], row["needed"]) == (
        "v2",
        "running",
        "0 + 0",
        100.0,
    )
    found = json.loads(run("canary", "verdict", "reader", "--json"))
    assert (found["result"], found["value"], found["candidate"]) == ("inconclusive", 0, "v2")
    run("canary", "end", "1", "--note", "another build")
    (row,) = json.loads(run("canary", "list", "--model", "reader", "--json"))
    assert row["state"] == "ended"


def test_what_can_not_be_is_said(run: Any) -> None:
    assert "what serves is not known" in run(
        "canary", "start", "reader", "v2", "--share", "0.1", code=2
    )
    run("release", "reader", "v1")
    assert "share" in run("canary", "start", "reader", "v2", "--share", "2", code=2)
    assert "there is none of that number" in run("canary", "end", "7", code=2)
    assert "no shadow answered" in run("canary", "shadow", "reader", code=2)
    for what, found in (("--share", "1e-320"), ("--alpha", "5e-324")):
        options = {"--share": "0.1", what: found}
        flat = [one for pair in options.items() for one in pair]
        assert "expected share and alpha from 1e-09" in run(
            "canary", "start", "reader", "v2", *flat, code=2
        )
    for extra in (("a\nb",), ("v2", "--control", "a\nb")):
        said = run("canary", "start", "reader", *extra, "--share", "0.1", code=2)
        assert "expected 1 to 200 printable characters" in said


def test_after_one_canary_the_next_stands_beside_what_serves(run: Any) -> None:
    """An earlier candidate had a tenth of the traffic: it is not what serves."""
    run("release", "reader", "v1")
    run("canary", "start", "reader", "v2", "--share", "0.1")
    run("canary", "end", "1")
    assert "v3 beside v1" in run("canary", "start", "reader", "v3", "--share", "0.1")
    assert "v1 90%, v3 10%" in run("versions", "reader")
    run("canary", "end", "2")
    run("release", "reader", "v3")
    assert "v2 beside v3" in run("canary", "start", "reader", "v2", "--share", "0.1")
    assert "v3 90%, v2 10%" in run("versions", "reader")
