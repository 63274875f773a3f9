"""Windows, releases and a registry made by hand, and what looks at them."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import small_fleet as fleet
from sqlalchemy import select

from alerts.actions.targets.registry import LocalRegistry
from monitor.serving import spans
from monitor.serving.look import ServingLook
from monitor.store.tables import (
    RegistryReadingRow,
    ReleaseRow,
    ServingSpanRow,
    TickRow,
    WindowRow,
)
from vigil.clock import ManualClock

FAMILY = (fleet.MODEL, fleet.DEPLOYMENT)
_SEQUENCE = count()


class Scene:
    """A service with windows of a second, and a registry of what shall serve."""

    def __init__(self, database: str, folder: Path) -> None:
        self.clock = ManualClock(fleet.NOON)
        self.registry = LocalRegistry(folder / "registry.json", clock=self.clock)
        self.services = fleet.opened(
            database, self.clock, watched={"rollback": fleet.rollback(self.registry.path)}
        )
        self.look = ServingLook(self.services, {FAMILY: self.registry})

    def windows(
        self,
        tick: int,
        *,
        first: int,
        last: int | None = None,
        version: str = "v1",
        records: int = 10,
        source: str = "host-1",
        **values: Any,
    ) -> None:
        """Windows of the seconds ``first`` to ``last`` after noon, counted by a tick."""
        with self.services.sessions.begin() as session:
            if session.get(TickRow, tick) is None:
                session.add(
                    TickRow(
                        id=tick,
                        end_at=at(tick),
                        started_at=at(tick),
                        duration_ms=1.0,
                        windows=0,
                        streams=0,
                        holder="test",
                    )
                )
            for second in range(first, (first if last is None else last) + 1):
                session.add(
                    WindowRow(
                        source=source,
                        boot="b",
                        sequence=next(_SEQUENCE),
                        model=fleet.MODEL,
                        version=version,
                        deployment=fleet.DEPLOYMENT,
                        start_at=at(second),
                        end_at=at(second + 1),
                        received_at=at(second + 1),
                        origin="live",
                        ruler="r",
                        verified=True,
                        records=records,
                        judged_by=tick,
                        **values,
                    )
                )

    def enter(self, tick: int) -> None:
        with self.services.sessions.begin() as session:
            spans.write(session, tick, window_s=1.0)

    def spans(self) -> list[tuple[str, float, float, int]]:
        """Version, first and last second after noon, and records."""
        with self.services.sessions() as session:
            rows = session.scalars(
                select(ServingSpanRow).order_by(ServingSpanRow.first_at, ServingSpanRow.version)
            )
            return [
                (row.version, seconds(row.first_at), seconds(row.last_at), row.records)
                for row in rows
            ]

    def release(self, version: str, second: float = -100.0, **values: Any) -> None:
        given = {"previous": None, "origin": "announced", "actor": "ci", **values}
        with self.services.sessions.begin() as session:
            session.add(
                ReleaseRow(
                    model=fleet.MODEL,
                    deployment=fleet.DEPLOYMENT,
                    version=version,
                    started_at=at(second),
                    **given,
                )
            )

    def looked(self, second: float) -> list[str]:
        """The differences that are noted at a second after noon."""
        self.clock.advance((at(second) - self.clock.now()).total_seconds())
        self.look.run_due()
        return [one["text"] for one in self.reading().mismatches]

    def reading(self) -> RegistryReadingRow:
        with self.services.sessions() as session:
            return session.get_one(RegistryReadingRow, FAMILY)


def at(second: float) -> datetime:
    return fleet.NOON + timedelta(seconds=second)


def seconds(moment: datetime) -> float:
    return (moment - fleet.NOON).total_seconds()
