"""A service that watches one model, and its label tasks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from incident_rows import task_row
from sqlalchemy import select

from alerts.actions.queues.memory import MemoryLabelQueue
from alerts.actions.queues.protocol import LabelQueue
from monitor.ingest.receipts import LabelIn
from monitor.labelling import ledger
from monitor.labelling.returns import LabelReturns
from monitor.labelling.sending import send
from monitor.labelling.withdrawing import Withdrawals
from monitor.services import Services, open_services
from monitor.settings.schema import Service, Settings, WatchedModel
from monitor.store.samples import MemorySamples
from monitor.store.tables import AnnotationRow, LabelQueueRow, LabelRow, LabelTaskRow
from vigil.clock import ManualClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FAMILY = ("reader", "production")
OURS = "0123456789abcdef"


class Desk:
    """``relabel``: rules of the model's queue."""

    def __init__(self, database: str, **relabel: Any) -> None:
        self.clock = ManualClock(NOON)
        self.queue = MemoryLabelQueue()
        self.database = database
        self.open(**relabel)

    def open(self, **relabel: Any) -> None:
        """(Again) with these rules."""
        if hasattr(self, "services"):
            self.services.close()
        watched = WatchedModel(
            name=FAMILY[0],
            keys=("site",),
            class_names=("cat", "dog", "owl"),
            relabel={"folder": "labels", **relabel},
        )
        self.services: Services = open_services(
            Settings(service=Service(database=self.database), models=(watched,)),
            clock=self.clock,
            samples=MemorySamples(),
            new_id=lambda: OURS,
        )
        self.use(self.queue)

    def use(self, queue: LabelQueue) -> None:
        self.returns = LabelReturns(self.services, {FAMILY: queue})
        self.withdrawals = Withdrawals(self.services, {FAMILY: queue})

    def tasks(self, n: int = 1, **changed: Any) -> list[str]:
        """Tasks of records r1 ..., picked and sent; their ids."""
        data = {
            "prediction": 1,
            "top": [[1, 0.75], [0, 0.25]],
            "metadata": {"site": "harbour", "weather": "fog"},
        }
        with self.services.sessions.begin() as session:
            rows = [
                task_row(**{"record_id": f"r{k}", "rank": k, "data": data, **changed})
                for k in range(1, n + 1)
            ]
            session.add_all(rows)
            session.flush()
            ids = [ledger.task_id(OURS, row.id) for row in rows]
        send(self.services, self.queue, changed.get("batch", "batch"))
        return ids

    def say(self, task: str, label: int, author: str = "ann") -> None:
        self.queue.annotate(task, label, at=self.clock.now(), author=author)

    def ask(self) -> int:
        return self.returns.ask(FAMILY)

    def label(self, record_id: str, label: int) -> None:
        """A label that comes by another way."""
        carried: dict[str, Any] = {"model": "reader", "version": "v1", "prediction": 1}
        self.services.ingest.labels([LabelIn(id=record_id, label=label, **carried)])

    def rows(self) -> list[LabelTaskRow]:
        with self.services.sessions() as session:
            return list(session.scalars(select(LabelTaskRow).order_by(LabelTaskRow.id)))

    def labels(self) -> list[LabelRow]:
        with self.services.sessions() as session:
            return list(session.scalars(select(LabelRow).order_by(LabelRow.id)))

    def annotations(self) -> list[AnnotationRow]:
        with self.services.sessions() as session:
            return list(session.scalars(select(AnnotationRow).order_by(AnnotationRow.id)))

    def state(self) -> LabelQueueRow:
        with self.services.sessions() as session:
            return session.get_one(LabelQueueRow, FAMILY)
