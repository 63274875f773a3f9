"""``vigil audit``: its words, its exit status, what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from monitor.audit import kept
from monitor.cli.app import app
from monitor.services import Services
from monitor.store.database import Sessions, open_engine

CONFIG = """
[service]
database = "sqlite:///{name}.db"
samples = "samples"
window_s = 1.0

[budget]
false_pages = {pages}
per_days = {days}

[checks]
min_history = 60

[[models]]
name = "digits"
keys = ["site", "camera"]
"""


@pytest.fixture
def command(
    opened: Callable[..., Services], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """`vigil audit` on a copy of a database."""

    def call(which: str, *arguments: str, code: int, days: float = 0.23, pages: float = 1.0) -> Any:
        opened(which)
        config = tmp_path / "vigil.toml"
        config.write_text(CONFIG.format(name=which, days=days, pages=pages))
        monkeypatch.setenv("VIGIL_CONFIG", str(config))
        result = CliRunner().invoke(app, ["audit", *arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call


def test_the_command_exits_with_0_within_the_budget(command: Callable[..., Any]) -> None:
    """The first line is the verdict, the second who is closest."""
    lines = command("healthy", code=0).stdout.splitlines()
    assert lines[0].startswith("0 pages in ")
    assert "the budget allows" in lines[0]
    assert lines[1].startswith("Closest to paging: ")
    assert any(line.startswith("sharper look") for line in lines)


def test_the_command_exits_with_1_beyond_the_budget(command: Callable[..., Any]) -> None:
    """One page where a two-hundredth is allowed is a breach."""
    result = command("faulty", code=1)
    assert "beyond the budget" in result.stdout
    assert "sharpness" in result.stdout


def test_the_command_prints_json(command: Callable[..., Any]) -> None:
    """One object with the format's number."""
    found = json.loads(command("healthy", "--json", "--seed", "3", code=0).stdout)
    assert (found["format"], found["judgement"], found["seed"]) == (1, "within", 3)


def test_the_command_exits_with_2_without_an_answer(command: Callable[..., Any]) -> None:
    """A model that is not there, and one line of error."""
    result = command("healthy", "--model", "other", code=2)
    assert result.output.strip().startswith("vigil: self-audit: no verified window of other")


def test_the_command_can_show_its_report_in_the_console(
    command: Callable[..., Any], tmp_path: Path
) -> None:
    """`--save` keeps it; without, nothing is written."""
    command("healthy", "--save", code=0)
    engine = open_engine(f"sqlite:///{tmp_path}/healthy.db")
    with Sessions(engine)() as session:
        known = kept.load(session)
    engine.dispose()
    assert known.report is not None
    assert known.report["verdict"].startswith("0 pages")
