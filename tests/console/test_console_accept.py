"""Accepting the new normal from the console."""

from __future__ import annotations

from collections.abc import Callable

from console_browser import TestClient
from console_world import Fleet

from monitor.store.tables import IncidentRow


def test_an_operator_accepts_with_a_reason(
    sign_in: Callable[[str], TestClient], fleet: Fleet, csrf: Callable[[str], str]
) -> None:
    """Without a reason nothing changes; with one the incident is over, and expected."""
    browser, key = sign_in("operator"), fleet.incidents["domain_shift"]
    page = browser.get(f"/incidents/{key}").text
    assert f'action="/incidents/{key}/accept"' in page
    data = {"csrf": csrf(page), "reason": " "}
    assert browser.post(f"/incidents/{key}/accept", data=data).status_code == 400
    answer = browser.post(f"/incidents/{key}/accept", data={**data, "reason": "a new site"})
    assert "Accepted: its streams learn" in answer.text
    with fleet.sessions() as session:
        row = session.get_one(IncidentRow, key)
    assert (row.state, row.disposition) == ("resolved", "expected")


def test_a_viewer_may_not_accept(
    sign_in: Callable[[str], TestClient], fleet: Fleet, csrf: Callable[[str], str]
) -> None:
    """Reading is not changing what is normal."""
    browser, key = sign_in("viewer"), fleet.incidents["domain_shift"]
    value = csrf(browser.get(f"/incidents/{key}").text)
    data = {"csrf": value, "reason": "x"}
    assert browser.post(f"/incidents/{key}/accept", data=data).status_code == 403
