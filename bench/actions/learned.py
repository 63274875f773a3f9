"""What every fault begins with: a trained model, its baselines, and a service that has learnt its
healthy traffic. Made once a seed; each fault works on a copy of the database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from sqlalchemy import delete, select

from alerts.actions.targets.registry import LocalRegistry
from bench.actions.baselines import baseline_of
from bench.actions.inference import SHARE_LABELLED, infer
from bench.actions.scene import Scene
from bench.actions.versions import NEXT
from monitor.backfill import backfill
from monitor.demo.configuration import DEPLOYMENT, MODEL, WINDOW_S, write_configuration
from monitor.demo.past import Labelled
from monitor.demo.reader import DigitReader, ReaderVersion, train
from monitor.demo.stage import Stage, build_model, put_secrets, release_first
from monitor.demo.world import new_site
from monitor.services import Services, open_services
from monitor.settings.load import load_settings
from monitor.store import baselines
from monitor.store.tables import LabelRow, WindowRow
from vigil.clock import ManualClock
from vigil.windows.ruler import Ruler

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HISTORY_WINDOWS = 1000
BASELINE_WINDOWS = 60
KEPT_WINDOWS = 70
"""So many windows of the history stay in the database; the engine has learnt them all."""

_CLOSED_PORT = "http://127.0.0.1:9"


@dataclass(frozen=True, kw_only=True)
class Learned:
    """``folder`` holds the database and the registry, ``other`` is a model of another fleet."""

    seed: int
    folder: Path
    stage: Stage
    rulers: dict[str, Ruler]
    other: DigitReader

    def copy_to(self, folder: Path) -> None:
        """A service's files as they are when a fault begins."""
        for name in ("vigil.db", "registry.json"):
            shutil.copy(self.folder / name, folder / name)


def learn(
    seed: int,
    folder: Path,
    *,
    windows: int = HISTORY_WINDOWS,
    progress: Callable[[str], None] = lambda text: None,
) -> Learned:
    """Train, build baselines, and back-fill ``windows`` healthy windows."""
    torch.set_num_threads(1)
    progress("training")
    built = build_model(seed, lambda share: None)
    trained = built.versions[NEXT].network
    stage = replace(
        built,
        versions={"v1": built.versions["v1"], NEXT: ReaderVersion(NEXT, trained)},
    )
    other = _of_another_fleet(stage, seed)
    clock = ManualClock(NOON)
    services = open_at(folder, clock)
    progress("baselines")
    made = [
        baseline_of(
            stage.world, model, stage.cameras, windows=BASELINE_WINDOWS, seed=seed, at=clock.now()
        )
        for model in stage.versions.values()
    ]
    with services.sessions.begin() as session:
        for baseline in made:
            baselines.add(session, baseline)
    rulers = {baseline.model.version: baseline.ruler for baseline in made}
    release_first(services, folder / "registry.json")
    progress("history")
    report = backfill(services, services.settings.models[0], _history(stage, seed, windows))
    if report.windows != windows or report.rejected:
        raise RuntimeError(f"expected {windows} windows of history, found {report}")
    _forget(services)
    services.close()
    _shrink(folder / "vigil.db")
    return Learned(seed=seed, folder=folder, stage=stage, rulers=rulers, other=other)


def open_at(folder: Path, clock: ManualClock, *, replay_port: int = 9) -> Services:
    """The parts of a service with the demo's configuration; its files are in ``folder``."""
    put_secrets()
    config = write_configuration(folder, port=8099, replay_port=replay_port, standins=_CLOSED_PORT)
    numbers = iter(range(10**9))
    return open_services(load_settings(config), clock=clock, new_id=lambda: f"{next(numbers):016d}")


def _history(stage: Stage, seed: int, windows: int) -> Iterator[Labelled]:
    """Healthy windows of v1, as the fleet of the faults makes them."""
    rng = np.random.default_rng([seed, 23])
    first, scene = int(NOON.timestamp() / WINDOW_S) - windows + 1, Scene(cameras=stage.cameras)
    for tick in range(first, first + windows):
        batch, truth = infer(stage.world, stage.versions["v1"], scene, tick, rng)
        yield batch, np.where(rng.random(len(truth)) < SHARE_LABELLED, truth, -1)


def _of_another_fleet(stage: Stage, seed: int) -> DigitReader:
    """Trained at a site where other hands write: right there, wrong here."""
    rng = np.random.default_rng([seed, 13])
    cameras = new_site(stage.cameras, "elsewhere", 3, rng)[len(stage.cameras) :]
    picked = [rng.choice(stage.world.training_indices(), 400) for _ in cameras]
    images = stage.world.render_many(cameras, picked, rng)
    return train(images, stage.world.labels[np.concatenate(picked)], epochs=4, seed=seed)


def _forget(services: Services) -> None:
    """Drop the rows that no fault looks at, so that copies are small."""
    with services.sessions.begin() as session:
        old = (
            select(WindowRow.id)
            .order_by(WindowRow.end_at.desc())
            .limit(1)
            .offset(KEPT_WINDOWS)
            .scalar_subquery()
        )
        session.execute(delete(WindowRow).where(WindowRow.id <= old))
        session.execute(delete(LabelRow))


def _shrink(database: Path) -> None:
    """One small file, with nothing left in its log."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def registry_of(folder: Path, clock: ManualClock) -> LocalRegistry:
    return LocalRegistry(folder / "registry.json", clock=clock)


def serving(registry: LocalRegistry) -> str:
    return registry.serving(MODEL, DEPLOYMENT) or "v1"
