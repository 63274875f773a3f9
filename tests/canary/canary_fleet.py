"""A service with labelled traffic of two versions, split at random."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import small_fleet as fleet
from sqlalchemy import insert

from monitor.canary import manage
from monitor.canary.canaries import Canaries
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge
from monitor.services import Services
from monitor.store.tables import CanaryRow, LabelRow, ReleaseRow, WindowRow
from vigil.split import split

START = fleet.NOON
MODEL, DEPLOYMENT = fleet.MODEL, fleet.DEPLOYMENT


def canaries_of(services: Services) -> Canaries:
    announcer = Announcer(services.settings, services.runbooks)
    bridge = Bridge(
        announcer,
        services.runbooks,
        services.metrics,
        window_s=services.settings.service.window_s,
        rules=services.settings.incidents,
    )
    return Canaries(services, bridge)


def released(services: Services, version: str = "v1", deployment: str = DEPLOYMENT) -> None:
    with services.sessions.begin() as session:
        session.add(
            ReleaseRow(
                model=MODEL,
                deployment=deployment,
                version=version,
                started_at=START - timedelta(days=2),
                origin="announced",
                known_good=True,
            )
        )


def started(services: Services, **values: Any) -> int:
    options: dict[str, Any] = {"share": 0.5, "margin": 0.05, "alpha": 0.05, **values}
    with services.sessions.begin() as session:
        row = manage.start(
            session,
            services.settings,
            model=MODEL,
            deployment=options.pop("deployment", DEPLOYMENT),
            candidate=options.pop("candidate", "v2"),
            actor="test",
            at=services.clock.now(),
            **options,
        )
        return row.id


def window(services: Services, version: str, start_s: float, **values: Any) -> None:
    """A window without a ledger: it shows that a version answers."""
    with services.sessions.begin() as session:
        columns: dict[str, Any] = {
            "source": f"s-{version}",
            "boot": "b",
            "sequence": round(start_s * 1000),
            "model": MODEL,
            "version": version,
            "deployment": DEPLOYMENT,
            "start_at": START + timedelta(seconds=start_s),
            "end_at": START + timedelta(seconds=start_s + 1),
            "received_at": START + timedelta(seconds=start_s + 1),
            "origin": "live",
            "ruler": "r",
            "verified": True,
            "records": 10,
        }
        session.add(WindowRow(**{**columns, **values}))


def outcomes(
    rng: np.random.Generator,
    n: int,
    *,
    old: float,
    new: float,
    share: float = 0.5,
    first: int = 0,
    salt: str = "t",
) -> list[tuple[str, str, bool]]:
    """Record id, version and whether it is wrong, of n units that are split by their id."""
    found = []
    for k, luck in enumerate(rng.random(n)):
        name = f"{salt}-{first + k}"
        is_new = split(name, share=share, salt=salt)
        found.append((name, "v2" if is_new else "v1", bool(luck < (new if is_new else old))))
    return found


def label(
    services: Services,
    records: list[tuple[str, str, bool]],
    *,
    after_s: float = 2.0,
    deployment: str = DEPLOYMENT,
    chosen: bool = False,
) -> None:
    """Labels that arrive now, of predictions made ``after_s`` after the start."""
    now = services.clock.now()
    with services.sessions.begin() as session:
        session.execute(
            insert(LabelRow),
            [
                {
                    "record_id": name,
                    "model": MODEL,
                    "version": version,
                    "deployment": deployment,
                    "cell": {},
                    "prediction": 1,
                    "confidence": 0.9,
                    "label": 0 if wrong else 1,
                    "predicted_at": START + timedelta(seconds=after_s),
                    "arrived_at": now,
                    "chosen": chosen,
                }
                for name, version, wrong in records
            ],
        )


def row_of(services: Services, canary_id: int) -> CanaryRow:
    with services.sessions() as session:
        return session.get_one(CanaryRow, canary_id)
