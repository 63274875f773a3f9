"""A storm of alerts of one broken upstream, through bridge, pipeline and outbox: one page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import alerts


def check(found: dict[str, float]) -> None:
    assert found["storm_incidents"] == 1
    assert found["storm_pages"] == 1
    assert found["storm_messages"] <= 60
    assert found["storm_timeline"] <= 120  # changes are written, not alerts
    assert found["storm_growth_mib"] <= 100


def test_a_storm_of_one_upstream_is_one_incident_and_one_page(tmp_path: Path) -> None:
    """Four models, ten cameras each, black frames from their gateway, tick after tick."""
    with alerts.stage(tmp_path, models=4) as made:
        found = alerts.storm(made, models=4, cameras=10, ticks=5, hard=True)
    assert found["alerts"] == 200
    check(found)


@pytest.mark.servers
@pytest.mark.timeout(900)
def test_ten_thousand_alerts_are_one_page(tmp_path: Path) -> None:
    """As in ``make bench-alerts``."""
    with alerts.stage(tmp_path) as made:
        found = alerts.storm(made, hard=True)
    assert found["alerts"] == 10_000
    check(found)


def test_each_incident_of_its_own_is_paged(tmp_path: Path) -> None:
    """What has nothing in common is not put together, and each page goes as it is committed."""
    with alerts.stage(tmp_path) as made:
        found = alerts.verdict_to_page(made, pages=5)
    assert found["pages"] == 5
