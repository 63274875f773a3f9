"""An edited configuration is noticed and checked, and changes nothing in the running service."""

from __future__ import annotations

from pathlib import Path

import pytest
import stored
from web_client import TestClient

from monitor.services import Services, open_services
from monitor.settings.load import load_settings
from monitor.settings.schema import CHANGE_SHARE, RESERVE
from monitor.settings.watch import ConfigWatch, Edit
from monitor.web.app import create_app
from vigil.clock import ManualClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "vigil.toml"
    file.write_text("[budget]\nfalse_pages = 1.0\n")
    return file


def test_edits_are_told_apart(path: Path) -> None:
    """Good, bad, gone, and back as it was."""
    watch = ConfigWatch(path)
    before = path.read_text()
    assert watch.state().edit is Edit.NONE
    path.write_text("[budget]\nfalse_pages = 2.0\n")
    assert watch.state().edit is Edit.GOOD
    path.write_text("[budget]\nfalse_pages = -2\nx = 1\n")
    bad = watch.state()
    assert (bad.edit, len(bad.problems)) == (Edit.BAD, 2)
    assert "budget.false_pages: expected greater than 0" in bad.problems[0]
    path.write_bytes(b"\xff")
    assert watch.state().edit is Edit.BAD
    path.unlink()
    assert watch.state().edit is Edit.GONE
    path.write_text(before)
    assert watch.state().edit is Edit.NONE


def test_running_service_keeps_its_settings_and_says_so(path: Path) -> None:
    """The status names the edit and its mistakes; ingest goes on."""
    services: Services = open_services(
        load_settings(path), clock=ManualClock(stored.NOON), config=path
    )
    client = TestClient(
        create_app(services), base_url="http://127.0.0.1:8080", client=("127.0.0.1", 1)
    )
    assert client.get("/v1/status").json()["configuration"] == {
        "state": "as it was loaded",
        "problems": [],
    }
    path.write_text("[budget]\nfalse_pages = -2\n")
    status = client.get("/v1/status").json()
    assert status["configuration"]["state"] == "edited, and can't be used"
    assert "line 2: budget.false_pages" in status["configuration"]["problems"][0]
    assert status["threshold_ticks"] == pytest.approx(RESERVE * 43200.0 / CHANGE_SHARE)
    (receipt,) = services.ingest.windows([stored.window(1).to_bytes()])
    assert receipt.status == "accepted"
    services.close()
