"""The command line as people call it, on a database of its own."""

from __future__ import annotations

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
keys = ["site"]

[models.rollback]
target = "registry"
registry = "registry.json"

[receivers.console]
kind = "console"

[[routes]]
receivers = ["console"]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "vigil.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(config: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call a command with the configuration in the environment."""
    monkeypatch.setenv("VIGIL_CONFIG", str(config))

    def call(*arguments: str, code: int = 0) -> Any:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return call
