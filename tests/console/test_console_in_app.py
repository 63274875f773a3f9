"""The console inside the whole application."""

from __future__ import annotations

import warnings
from pathlib import Path

from console_browser import TestClient
from console_world import NOW

from monitor.services import open_services
from monitor.settings.schema import Settings
from monitor.store.samples import MemorySamples
from vigil.clock import ManualClock


def test_the_application_serves_the_console_beside_the_api(tmp_path: Path) -> None:
    """Pages and API answer on one port; the pages keep their own, stricter policy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monitor.web.app import create_app
    settings = Settings.model_validate(
        {
            "service": {"database": f"sqlite:///{tmp_path / 'vigil.db'}"},
            "models": [{"name": "meter-reader"}],
        }
    )
    services = open_services(settings, clock=ManualClock(NOW), samples=MemorySamples())
    try:
        with TestClient(
            create_app(services), base_url="http://127.0.0.1:8080", client=("127.0.0.1", 5)
        ) as browser:
            page = browser.get("/")
            assert "meter-reader" in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert browser.get("/static/console.css").status_code == 200
            assert browser.get("/v1/models").status_code == 200
            assert browser.get("/incidents/1").status_code == 404
    finally:
        services.close()
