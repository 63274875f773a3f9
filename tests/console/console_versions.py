"""A canary that went wrong, a rollback, and a pipeline that put the bad version back."""

from __future__ import annotations

from datetime import timedelta

from console_world import DEPLOYMENT, HOSTILE, MODEL, NOW, Fleet

from monitor.serving.mismatch import Mismatch, MismatchCode
from monitor.store.tables import RegistryReadingRow, ReleaseRow, ServingSpanRow

FAMILY = {"model": MODEL, "deployment": DEPLOYMENT}
_SPANS = (
    ("v1", 50, 26, 9000, "resize-224"),
    ("v2", 30, 26, 180, "resize-256"),
    ("v2", 26, 20, 2400, "resize-256"),
    ("v1", 20, 8, 4500, "resize-224"),
    ("v2", 8, 0, 2600, HOSTILE),
    ("v1", 8, 0, 300, "resize-224"),
)
_RELEASES = (
    ("v1", None, 50, "announced", {"known_good": True}),
    ("v2", "v1", 30, "announced", {"share": 0.1, "note": "more night images"}),
    ("v1", "v2", 20, "rollback", {"actor": "vigil", "note": "incident 3"}),
)


def seed_versions(fleet: Fleet) -> None:
    """Hours before now; the registry says v2, though vigil rolled it back."""
    with fleet.sessions.begin() as session:
        for version, first, last, records, preprocessing in _SPANS:
            session.add(
                ServingSpanRow(
                    **FAMILY,
                    version=version,
                    preprocessing=preprocessing,
                    hardware="L4",
                    schema_version="digits-1",
                    first_at=NOW - timedelta(hours=first),
                    last_at=NOW - timedelta(hours=last),
                    windows=60 * (first - last),
                    records=records,
                )
            )
        for version, previous, hours, origin, values in _RELEASES:
            session.add(
                ReleaseRow(
                    **FAMILY,
                    version=version,
                    previous=previous,
                    started_at=NOW - timedelta(hours=hours),
                    origin=origin,
                    **{"actor": "ci", **values},
                )
            )
        told = Mismatch(
            code=MismatchCode.REGISTRY,
            subject="v2",
            text="the registry says v2, but v1 was put back by a rollback",
            since=NOW - timedelta(hours=7),
        )
        fresh = Mismatch(
            code=MismatchCode.BUILD,
            subject="v1",
            text=f"6% of the traffic runs v1 with preprocessing {HOSTILE}",
            since=NOW - timedelta(minutes=2),
        )
        session.add(
            RegistryReadingRow(
                **FAMILY,
                version="v2",
                read_at=NOW - timedelta(seconds=20),
                changed_at=NOW - timedelta(hours=8),
                problem="",
                mismatches=[told.to_json(), fresh.to_json()],
            )
        )
