"""A service that watches a model of every task: quiet traffic pages nobody, a fault that shows in
one task's signals is found and named by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_fleet import FIRST, LATENESS_S, NOON, at, opened
from small_fleet.tasks import TASKS, VERSION, Scenes, arguments, task_baseline
from sqlalchemy import select

from monitor.backfill import backfill
from monitor.schedule.wiring import Works, wire
from monitor.services import Services
from monitor.settings.schema import Service, WatchedModel
from monitor.store import baselines
from monitor.store.tables import IncidentRow, WindowRow
from vigil.catalogue import base_of
from vigil.clock import ManualClock
from vigil.pipeline.recorder import Recorder
from vigil.shipping.transport import Receipt
from vigil.tap import Tap
from vigil.types import Task
from vigil.windows.window import Window

HISTORY, QUIET, FAULTY = 220, 25, 25
NAMED = {
    "multilabel": {"predicted_class", "lost_class", "label_count"},
    "detection": {"box_size", "object_coverage", "object_overlap"},
    "tracking": {"identity_switches", "track_length", "fragmentation"},
    "segmentation": {
        "predicted_class",
        "lost_class",
        "area_share_0",
        "area_share_3",
        "mask_count",
        "mask_foreground",
        "mask_boundary",
    },
    "ocr": {"text_length"},
    "embedding": {"embedding_distance_text"},
}
"""What may be named: the fault itself, or what follows from it at once."""
WORDS = {
    "multilabel": "",
    "detection": "box size fell from 0.20 to 0.14",
    "tracking": "identity switches rose",
    "segmentation": "",
    "ocr": "text length fell",
    "embedding": "embedding text",
}


class Watch:
    """A service, and the traffic of one model that is named after its task."""

    def __init__(self, task: Task, database: str) -> None:
        self.task, self.clock = task, ManualClock(NOON)
        self.services: Services = opened(
            database,
            self.clock,
            models=(WatchedModel(name=task),),
            service=Service(database=database, window_s=1.0, lateness_s=LATENESS_S),
            routes=(),
        )
        with self.services.sessions.begin() as session:
            baselines.add(session, task_baseline(task))
        scenes = Scenes(task, "log")
        history = ((scenes.batch(tick), None) for tick in range(FIRST - HISTORY, FIRST))
        report = backfill(self.services, self.services.settings.models[0], history)
        assert report.rejected == ()
        self.works: Works = wire(self.services, holder="test")
        self.scenes, self.tick = Scenes(task, "live"), FIRST - 1
        self.recorder = Recorder(
            model=task,
            deployment="production",
            source="live",
            boot="b1",
            keys=(),
            window_s=1.0,
            rulers=lambda version: task_baseline(task).ruler,
        )

    def play(self, ticks: int, *, faulty: bool = False) -> None:
        for _ in range(ticks):
            self.tick += 1
            made = self.recorder.add(self.scenes.batch(self.tick, faulty=faulty))
            self.ship([*made, *self.recorder.seal(float(self.tick))])
            due = at(self.tick, LATENESS_S + 0.1)
            self.clock.advance((due - self.clock.now()).total_seconds())
            self.works.ticks.run_due()

    def ship(self, windows: Sequence[Window]) -> None:
        receipts = self.services.ingest.windows([one.to_bytes() for one in windows])
        assert [receipt.status for receipt in receipts] == ["accepted"] * len(windows)

    def incidents(self) -> list[IncidentRow]:
        with self.services.sessions() as session:
            return list(session.scalars(select(IncidentRow)))


@pytest.mark.servers
@pytest.mark.parametrize("task", TASKS)
def test_quiet_traffic_pages_nobody_and_a_fault_is_named_by_its_signal(
    task: Task, sqlite_url: str
) -> None:
    """As many windows without a fault as with it."""
    watch = Watch(task, sqlite_url)
    try:
        watch.play(QUIET)
        assert watch.incidents() == []
        watch.play(FAULTY, faulty=True)
        (incident,) = watch.incidents()
        assert incident.findings[0]["signal"] in NAMED[task]
        assert {base_of(one["signal"]) for one in incident.findings} <= NAMED[task]
        assert WORDS[task] in incident.title
    finally:
        watch.services.close()


@pytest.mark.parametrize("task", TASKS)
def test_what_a_tap_of_any_task_ships_is_taken_in_and_verified(task: Task, sqlite_url: str) -> None:
    """From ``record`` to the window that the service keeps, boxes in its sample."""
    services = opened(sqlite_url, ManualClock(NOON), models=(WatchedModel(name=task),), routes=())
    with services.sessions.begin() as session:
        baselines.add(session, task_baseline(task))
    way = Way(services, task)
    with Tap(task, VERSION, task=task, transport=way, window_s=1.0, clock=services.clock) as tap:
        rng = np.random.default_rng(1)
        for _ in range(3):
            tap.record(**arguments(task, rng, 20, faulty=False))
        assert tap.flush()
        assert tap.dropped == {}
    assert set(way.statuses) == {"accepted"}
    with services.sessions() as session:
        rows = list(session.scalars(select(WindowRow)))
    assert sum(row.records for row in rows) == 60
    assert all(row.verified for row in rows)
    sample = services.samples.read([row.sample_part for row in rows if row.sample_part])
    assert (sample.objects is not None) == (task in ("detection", "tracking"))
    services.close()


class Way:
    """A tap's transport straight into a service."""

    def __init__(self, services: Services, task: Task) -> None:
        self._services, self._task = services, task
        self.statuses: list[str] = []

    def send(self, blobs: Sequence[bytes]) -> list[Receipt]:
        found = self._services.ingest.windows(list(blobs))
        self.statuses += [one.status for one in found]
        return [
            Receipt(source=one.source, boot=one.boot, sequence=one.sequence, status=one.status)
            for one in found
        ]

    def send_labels(self, labels: Sequence[dict[str, Any]]) -> dict[str, Any]:
        raise AssertionError("no labels were given")

    def ruler(self, model: str, version: str) -> bytes | None:
        return task_baseline(self._task).ruler.to_bytes()
