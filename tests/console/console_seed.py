"""A made-up fleet in a database: traffic, a bad release, a blurred camera, a new site."""

from __future__ import annotations

from datetime import timedelta

from console_incidents import bad_release, blurred_camera, hostile, new_site
from console_traffic import coverage, labels, releases, ticks, traffic
from console_world import NOW, Fleet, make_baseline

from monitor.store import baselines
from monitor.store.tables import RejectionRow


def seed_fleet(fleet: Fleet) -> Fleet:
    """An hour of traffic; camera 4 loses focus fourteen minutes before the end."""
    with fleet.sessions.begin() as session:
        created = NOW - timedelta(days=9)
        baseline = make_baseline("v1", created)
        baselines.add(session, baseline)
        releases(session)
        traffic(session, fleet, baseline)
        labels(session)
        coverage(session)
        ticks(session)
        fleet.incidents["input_fault"] = blurred_camera(session)
        fleet.incidents["domain_shift"] = new_site(session, fleet.samples)
        fleet.incidents["model_regression"] = bad_release(session)
        fleet.incidents["hostile"] = hostile(session)
        session.add(
            RejectionRow(
                hour=NOW - timedelta(hours=1),
                source="edge-9",
                what="label",
                reason="unknown_record",
                count=3,
                example="",
            )
        )
    return fleet
