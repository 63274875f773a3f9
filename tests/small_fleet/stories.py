"""A fleet that ships windows to a service on a manual clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import select

from monitor.ingest.receipts import LabelIn, Receipt
from monitor.response.outbox import Outbox
from monitor.schedule.tick import TickReport
from monitor.schedule.wiring import Works, wire
from monitor.store.samples import MemorySamples
from monitor.store.tables import IncidentRow
from small_fleet.cameras import (
    FIRST,
    HEALTHY,
    LATENESS_S,
    Scene,
    at,
    recorder_of,
    some_labels,
    world,
)
from small_fleet.database import Rows, restore
from small_fleet.service import history_rows, opened
from small_fleet.told import Notes
from vigil.clock import ManualClock
from vigil.pipeline.recorder import Recorder
from vigil.windows.window import Window


class Story:
    """A service on a manual clock, and a fleet that ships windows to it."""

    def __init__(
        self,
        database: str,
        *,
        start: int = FIRST,
        samples: MemorySamples | None = None,
        **changes: Any,
    ) -> None:
        self.clock = ManualClock(at(start - 1))
        self.samples = samples or MemorySamples()
        self.database, self.changes = database, changes
        self.tick = start - 1
        self.recorders: dict[str, Recorder] = {}
        self.notes = Notes()
        self._open()

    def _open(self, *, since: datetime | None = None) -> None:
        self.services = opened(self.database, self.clock, samples=self.samples, **self.changes)
        if since is not None:
            self.services = replace(self.services, started_at=since)
        self.works: Works = wire(self.services, holder="test")
        self.outbox = Outbox(
            self.services,
            {"pager": self.notes},
            silent=frozenset(),
            rng=np.random.default_rng(0),
        )

    def restart(self, *, after_s: float = 0.0, settled: bool = False) -> None:
        """The service is killed and comes up again; the fleet goes on.

        ``settled``: it believes that it was up all the time, and so waits for nobody.
        """
        self.close()
        self.clock.advance(after_s)
        self._open(since=at(FIRST - 100) if settled else None)

    def close(self) -> None:
        self.services.close()

    def windows(
        self, tick: int, scene: Scene = HEALTHY, source: str = "host-1", *, label: bool = False
    ) -> tuple[list[Window], list[LabelIn]]:
        """What a source ships after a window, and labels for a share of it."""
        recorder = self.recorders.setdefault(source, recorder_of(source))
        batch, labels = world().batch(tick, scene, source=source)
        made = [*recorder.add(batch), *recorder.seal(float(tick))]
        chosen = some_labels(batch, labels) if label else np.full(len(batch), -1)
        rows = np.flatnonzero(chosen >= 0)
        return made, [LabelIn(id=batch.ids[i], label=int(chosen[i])) for i in rows]

    def ship(self, windows: Sequence[Window]) -> list[Receipt]:
        return self.services.ingest.windows([window.to_bytes() for window in windows])

    def to(self, tick: int, extra_s: float = 0.1) -> None:
        """Move the clock to when ``tick`` is just due."""
        self.tick = tick
        due = at(tick, LATENESS_S + extra_s)
        self.clock.advance((due - self.clock.now()).total_seconds())

    def play(
        self,
        ticks: int,
        scene: Scene = HEALTHY,
        *,
        sources: Sequence[str] = ("host-1",),
        label: bool = False,
        until: Callable[[], bool] | None = None,
        act: bool = False,
    ) -> list[TickReport]:
        """So many windows of a scene, each shipped and judged; ends early where ``until`` holds."""
        reports: list[TickReport] = []
        for _ in range(ticks):
            tick, late = self.tick + 1, list[LabelIn]()
            late: list[LabelIn] = []
            for source in sources:
                made, labels = self.windows(tick, scene, source, label=label)
                receipts = self.ship(made)
                assert [receipt.status for receipt in receipts] == ["accepted"] * len(made)
                late += labels
            if late:
                self.services.ingest.labels(late)
            self.to(tick)
            reports += self.works.ticks.run_due()
            if act:
                self.works.actions.run_due()
                self.outbox.deliver_due()
            if until is not None and until():
                break
        return reports

    def rows(self, table: Any) -> list[Any]:
        with self.services.sessions() as session:
            return list(session.scalars(select(table).order_by(*table.__table__.primary_key)))

    @property
    def incidents(self) -> list[IncidentRow]:
        return self.rows(IncidentRow)


def story(database: str, rows: Rows | None = None, **changes: Any) -> Iterator[Story]:
    """A story on an empty database, filled with the history (or ``rows``); for fixtures."""
    restore(database, rows or history_rows())
    told = Story(database, **changes)
    yield told
    told.close()
