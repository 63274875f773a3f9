"""The page of the self-audit: before the first report, with one, and after a failure."""

from __future__ import annotations

import re
from datetime import timedelta

import audit_fleet as sim
from console_browser import TestClient
from console_world import HOSTILE, NOW, Fleet

from monitor.audit import kept
from monitor.audit.replay import EngineSettings, replay
from monitor.audit.report import report as made
from monitor.audit.words import document


def report() -> dict[str, object]:
    """A replay of a simulated fleet with a fault, and a hostile slice."""
    run = replay(
        sim.fleet(days=9, teach=3, fault=(5, 4 * sim.PER_DAY, 30, 4.0), rush=(3, 13, 2.0)),
        EngineSettings(threshold=sim.THRESHOLD, min_history=200),
    )
    found = document(made(run, window_s=sim.WINDOW_S, made_at=NOW - timedelta(hours=2)))
    found["peaks"][1]["stream"]["slice"] = HOSTILE
    return found


def test_before_the_first_audit_the_page_says_how_to_make_one(client: TestClient) -> None:
    """No report, no error."""
    page = client.get("/audit")
    assert page.status_code == 200
    assert "No audit has been made yet." in page.text
    assert "vigil audit --save" in page.text
    assert 'href="/audit" aria-current="page"' in page.text


def test_the_page_shows_the_latest_report(client: TestClient, fleet: Fleet) -> None:
    """Verdict, pages, peaks, strata and dependence; text from outside is escaped."""
    with fleet.sessions.begin() as session:
        kept.succeeded(session, report(), at=NOW)
    page = client.get("/audit").text
    for told in (
        "Pages that would have gone out",
        "Closest to paging",
        "13:00 to 14:00",
        "autocorrelation at lag 60",
        "pages per allowed page",
    ):
        assert told in page, told
    assert re.search(r"\d pages? in 6.0 days over 12 streams", page)
    assert HOSTILE not in page
    with fleet.sessions.begin() as session:
        kept.failed(session, "too little history", at=NOW)
    page = client.get("/audit").text
    assert "The latest audit came to nothing: too little history" in page
    assert re.search(r"\d pages? in 6.0 days", page)
