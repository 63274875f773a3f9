"""A small synthetic fleet and a whole service that watches it, for tests of ticks and responses.

Two sites with two cameras each, windows of a second, 600 windows of healthy history. What the
cameras see in a window depends on the seed and the window's number alone, so that two runs of a
story see the same, killed and restarted or not.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine, insert, select, text

from alerts.notifiers.protocol import Guarantee
from alerts.types import Delivery, DeliveryOutcome, Message
from detectors.fit import fit_baseline
from monitor.backfill import backfill
from monitor.ingest.receipts import LabelIn, Receipt
from monitor.response.outbox import Outbox
from monitor.schedule.tick import TickReport
from monitor.schedule.wiring import Works, wire
from monitor.services import Services, open_services
from monitor.settings.alerting import Route
from monitor.settings.schema import (
    Budget,
    Checks,
    Relabel,
    Rollback,
    Service,
    Settings,
    WatchedModel,
)
from monitor.store import baselines
from monitor.store.database import open_engine
from monitor.store.samples import MemorySamples
from monitor.store.tables import Base, IncidentRow, ReleaseRow
from vigil.baseline import Baseline
from vigil.batch import RecordBatch, make_batch
from vigil.clock import ManualClock
from vigil.generic import generic_ruler
from vigil.recorder import Recorder
from vigil.ruler import Ruler
from vigil.types import ModelRef
from vigil.window import Window

MODEL, DEPLOYMENT = "digits", "production"
KEYS = ("site", "camera")
CAMERAS = (("north", "n1"), ("north", "n2"), ("south", "s1"), ("south", "s2"))
NEW_CAMERAS = (("west", "w1"), ("west", "w2"))
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FIRST = int(NOON.timestamp()) + 1
"""The first tick of every story; the history ends before it."""

HISTORY = 600
KEPT = 30
"""So many windows of the history stay in the database; the engine has learnt them all."""

LATENESS_S = 0.5
THRESHOLD = 20_000.0
CLASSES, WIDTH = 5, 8


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is out there in one window; the faults of the stories are its fields.

    ``temper`` sharpens (above 1) or dulls the model's predictions, ``blurred`` names a camera out
    of focus, ``unfamiliar`` moves what the new site shows, ``nan`` is a share of embeddings lost,
    ``error`` a share of labels that disagree.
    """

    version: str = "v1"
    cameras: tuple[tuple[str, str], ...] = CAMERAS
    per_camera: int = 12
    temper: float = 1.0
    blurred: str | None = None
    unfamiliar: float = 0.0
    nan: float = 0.0
    error: float = 0.0
    latency_s: float = 0.005


HEALTHY = Scene()
REGRESSED = Scene(version="v2", temper=0.3)


class World:
    """Cameras with looks of their own, and a model that reads them."""

    def __init__(self, seed: int = 3) -> None:
        self.seed = seed
        rng = np.random.default_rng([seed, 1])
        self.head = rng.normal(0, 1, (WIDTH, CLASSES))
        self.looks = {
            camera: (rng.uniform(0.4, 0.6), rng.normal(0, 0.3, WIDTH))
            for camera in (*CAMERAS, *NEW_CAMERAS)
        }

    def infer(self, x: np.ndarray, temper: float = 1.0) -> np.ndarray:
        """Class probabilities of embeddings (n, d)."""
        logits = x @ self.head * temper
        exp = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exp / exp.sum(axis=1, keepdims=True)

    def batch(
        self, tick: int, scene: Scene = HEALTHY, *, source: str = "host-1", per: int | None = None
    ) -> tuple[RecordBatch, np.ndarray]:
        """The records of one window, and their labels."""
        rng = np.random.default_rng([self.seed, 2, tick, *source.encode()])
        each = per or scene.per_camera
        signals, points, metadata = [], [], []
        for camera in scene.cameras:
            brightness, offset = self.looks[camera]
            x = rng.normal(0, 1, (each, WIDTH)) + offset
            if camera in NEW_CAMERAS:
                x += scene.unfamiliar
            sharp = rng.normal(1.5, 0.2, each)
            if camera[1] == scene.blurred:
                sharp = rng.normal(0.5, 0.1, each)
            columns = [
                rng.normal(brightness, 0.05, each),
                rng.normal(0.2, 0.03, each),
                sharp,
                rng.beta(2, 8, each),
                rng.beta(0.5, 8, each),
                rng.gamma(4, 0.005, each),
            ]
            signals.append(np.stack(columns, axis=1))
            points.append(x)
            metadata += [dict(zip(KEYS, camera, strict=True))] * each
        x = np.concatenate(points)
        n = len(x)
        probabilities = self.infer(x, scene.temper)
        seen = x.copy()
        seen[rng.random(n) < scene.nan] = np.nan
        counter = np.arange(tick * 1000, tick * 1000 + n, dtype=np.uint64)
        batch = make_batch(
            ids=[f"{source}.b1.{i}" for i in counter],
            counter=counter,
            custom_ids=False,
            time_s=tick - 0.5,
            version=scene.version,
            images=_picture(x),
            embeddings=seen,
            outputs=probabilities,
            latency_s=rng.gamma(5, scene.latency_s / 5, n),
            metadata=metadata,
            thumbnails=True,
        )
        batch.signals[:, :6] = np.concatenate(signals)
        return batch, self._labels(self.infer(x), batch.prediction, scene.error, rng)

    @staticmethod
    def _labels(
        truth: np.ndarray, prediction: np.ndarray, error: float, rng: np.random.Generator
    ) -> np.ndarray:
        n = len(truth)
        drawn = (rng.random((n, 1)) > truth.cumsum(axis=1)).sum(axis=1)
        label = np.minimum(drawn, CLASSES - 1)
        wrong = rng.random(n) < error
        return np.where(wrong, (prediction + 1) % CLASSES, label).astype(np.int64)


def _picture(x: np.ndarray) -> np.ndarray:
    """Images that hold their embedding, so that a replay endpoint can read it back."""
    images = np.zeros((len(x), 4, 4, 1), np.uint8)
    images.reshape(len(x), -1)[:, :WIDTH] = np.clip(np.rint((x + 6.0) * 20.0), 0, 255)
    return images


def embedding_of(images: np.ndarray) -> np.ndarray:
    """What ``_picture`` drew."""
    return images.reshape(len(images), -1)[:, :WIDTH].astype(np.float64) / 20.0 - 6.0


@lru_cache(maxsize=1)
def world() -> World:
    return World()


@lru_cache(maxsize=8)
def baseline(version: str, *, labelled: bool = True) -> Baseline:
    """The baseline of a version: healthy records, whatever the version does when it serves."""
    made = [
        world().batch(1_000_000 + i, Scene(version=version), per=60, source="lab")
        for i in range(25)
    ]
    return fit_baseline(
        model=ModelRef(name=MODEL, version=version),
        batches=[(batch, labels if labelled else None) for batch, labels in made],
        keys=KEYS,
        dataset="synthetic",
        created_at=NOON,
    )


def some_labels(batch: RecordBatch, labels: np.ndarray, share: float = 0.25) -> np.ndarray:
    """The labels of a fixed share of the records, -1 for the others."""
    rows = np.arange(len(batch)) % round(1 / share) == 0
    return np.where(rows, labels, -1)


def settings(database: str, **changes: Any) -> Settings:
    """``watched``: changes of the model's section; others are sections of the settings."""
    watched = WatchedModel(name=MODEL, keys=KEYS, **changes.pop("watched", {}))
    values: dict[str, Any] = {
        "service": Service(database=database, window_s=1.0, lateness_s=LATENESS_S),
        "budget": Budget(false_pages=1.0, per_days=THRESHOLD / 86400.0),
        "checks": Checks(min_history=200, unproven_after_s=20.0),
        "models": (watched,),
        "routes": (Route(receivers=("pager",)),),
    }
    return Settings(**{**values, **changes})


@lru_cache(maxsize=1)
def history_rows() -> Rows:
    """Every row of a database with the baselines, v1 known good, and its history learnt."""
    folder = Path(tempfile.mkdtemp(prefix="vigil-history-"))
    try:
        clock = ManualClock(NOON)
        services = opened(f"sqlite:///{folder}/history.db", clock)
        with services.sessions.begin() as session:
            for version in ("v1", "v2"):
                baselines.add(session, baseline(version))
            session.add(
                ReleaseRow(
                    model=MODEL,
                    deployment=DEPLOYMENT,
                    version="v1",
                    started_at=datetime(2026, 11, 1, tzinfo=UTC),
                    origin="announced",
                    known_good=True,
                )
            )
        made = (world().batch(tick, source="log") for tick in range(FIRST - HISTORY, FIRST))
        report = backfill(
            services,
            services.settings.models[0],
            ((batch, some_labels(batch, labels)) for batch, labels in made),
        )
        assert (report.windows, report.rejected) == (HISTORY, ())
        rows = rows_of(services.engine)
        services.close()
        return {**rows, "windows": rows["windows"][-KEPT:], "labels": []}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


Rows = Mapping[str, list[dict[str, Any]]]


def rows_of(engine: Engine) -> Rows:
    """Every row of every table."""
    with engine.connect() as connection:
        return {
            table.name: [
                dict(row._mapping)
                for row in connection.execute(select(table).order_by(*table.primary_key))
            ]
            for table in Base.metadata.sorted_tables
        }


def restore(url: str, rows: Rows) -> None:
    """Put rows into an empty database that has its tables."""
    engine = open_engine(url)
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if rows[table.name]:
                connection.execute(insert(table), rows[table.name])
    count_on(engine)
    engine.dispose()


def count_on(engine: Engine) -> None:
    """Let ids follow those that are there: PostgreSQL's skip what was rolled back."""
    if engine.dialect.name != "postgresql":
        return
    with engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if "id" in table.columns:
                following = f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name})"
                sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
                connection.execute(text(f"SELECT setval({sequence}, {following}, false)"))


def opened(
    database: str, clock: ManualClock, *, samples: MemorySamples | None = None, **changes: Any
) -> Services:
    """A service's parts; ids count up, so that two runs give the same ones."""
    numbers = iter(range(10**9))
    return open_services(
        settings(database, **changes),
        clock=clock,
        samples=samples or MemorySamples(),
        new_id=lambda: f"{next(numbers):016d}",
    )


@dataclass
class Notes:
    """A notifier that keeps what it was told; ``answers`` are taken first, then all is well."""

    name: str = "pager"
    guarantee: Guarantee = Guarantee.KEYED
    answers: list[Delivery | BaseException] = field(default_factory=list)
    told: list[tuple[Message, dict[str, str], bool]] = field(default_factory=list)

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        self.told.append((message, dict(thread), unclear))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        receipt = {"message_id": message.id}
        return answer or Delivery(outcome=DeliveryOutcome.DELIVERED, receipt=receipt)

    @property
    def events(self) -> list[str]:
        return [message.event.value for message, _, _ in self.told]


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


def recorder_of(source: str, *, boot: str = "b1") -> Recorder:
    return Recorder(
        model=MODEL,
        deployment=DEPLOYMENT,
        source=source,
        boot=boot,
        keys=KEYS,
        window_s=1.0,
        rulers=ruler_of,
        keep_thumbnails=True,
    )


def ruler_of(version: str) -> Ruler:
    """The ruler of a version's baseline; v1 and v2 have one."""
    if version in ("v1", "v2"):
        return baseline(version).ruler
    return generic_ruler(MODEL, version, KEYS, CLASSES)


def at(tick: int, seconds: float = 0.0) -> datetime:
    """The end of a tick, and so many seconds later."""
    return datetime.fromtimestamp(tick + seconds, tz=UTC)


def story(database: str, rows: Rows | None = None, **changes: Any) -> Iterator[Story]:
    """A story on an empty database, filled with the history (or ``rows``); for fixtures."""
    restore(database, rows or history_rows())
    told = Story(database, **changes)
    yield told
    told.close()


WITH_REGISTRY = {"target": "registry", "automatic": True}


def rollback(registry: Path, **rules: Any) -> Rollback:
    """Rollback by a local registry."""
    return Rollback(**{**WITH_REGISTRY, "registry": registry, **rules})


def relabel(folder: Path, budget: int = 10) -> Relabel:
    return Relabel(folder=str(folder), budget=budget)
