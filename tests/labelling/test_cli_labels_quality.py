"""``vigil labels quality``."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from label_rows import label_row
from typer.testing import CliRunner

from monitor.cli.app import app
from monitor.services import open_services
from monitor.settings.load import load_settings

CONFIG = '[service]\ndatabase = "sqlite:///vigil.db"\n[[models]]\nname = "reader"\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "vigil.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("VIGIL_CONFIG", str(path))
    return path


def test_quality_is_told_in_sentences_and_tables(config: Path) -> None:
    """Accuracy with its interval and basis, each slice, and the records to look at."""
    at = datetime.now(UTC) - timedelta(hours=1)
    services = open_services(load_settings(config))
    with services.sessions.begin() as session:
        session.add_all(
            [label_row(f"r-{k}", right=k > 3, predicted_at=at, confidence=0.95) for k in range(40)]
        )
    services.close()
    shown = CliRunner().invoke(app, ["labels", "quality", "reader", "--since", "7d"]).output
    assert "Accuracy 90.0 % (76.7 to 96.1), from 40 labels." in shown
    assert "Basis: labels as they came" in shown
    assert "site=north" in shown
    assert "predicted 3 at 0.95, labelled 5" in shown
    found = json.loads(CliRunner().invoke(app, ["labels", "quality", "reader", "--json"]).output)
    assert found["quality"]["whole"]["quality"]["accuracy"]["value"] == 0.9
    assert len(found["suspects"]) == 4


def test_a_length_that_cant_be_read_is_named(config: Path) -> None:
    found = CliRunner().invoke(app, ["labels", "quality", "reader", "--since", "soon"])
    assert found.exit_code != 0
    assert "soon" in str(found.exception) + found.output
