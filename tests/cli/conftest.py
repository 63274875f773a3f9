"""The command line as people call it, on a database of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from monitor.cli.app import app

CONFIG = """
[service]
database = "sqlite:///vigil.db"
samples = "samples"

[[models]]
name = "reader"
keys = ["site"]

[models.rollback]
target = "registry"
registry = "registry.json"

[receivers.console]
kind = "console"

[[routes]]
receivers = ["console"]
"""
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "vigil.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command with the configuration in the environment."""
    monkeypatch.setenv("VIGIL_CONFIG", str(config))

    def call(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call
