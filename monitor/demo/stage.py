"""Everything before the curtain: the model is trained, its baselines built, its history made.

All of it is real: the network is trained now, the baselines come from its predictions on held-out
digits, and the history is many hundred windows of its inference, back-filled by the ordinary way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alerts.actions.targets.registry import LocalRegistry
from detectors.fit import fit_baseline
from monitor.backfill import BackfillReport, backfill
from monitor.demo.configuration import DEPLOYMENT, KEYS, MODEL, SECRETS, WINDOW_S
from monitor.demo.past import Labelled, Past
from monitor.demo.reader import DigitReader, ReaderVersion, standardised_bottom_up, train
from monitor.demo.world import Camera, Images, World, make_cameras
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store import baselines
from monitor.store.tables import ReleaseRow
from vigil.measuring.batch import make_batch
from vigil.types import ModelRef, utc
from vigil.windows.baseline import Baseline

SITES = ("north", "south", "east", "west")
CAMERAS_PER_SITE = 3
IMAGES_PER_CAMERA_S = 20
HISTORY_WINDOWS = 1200
TRAINING_LOOKS = 500
BASELINE_LOOKS = 1200


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What exists before anything is watched: the world, its cameras, the model's versions."""

    world: World
    cameras: tuple[Camera, ...]
    versions: dict[str, ReaderVersion]
    accuracy: float
    training: tuple[Images, NDArray[np.int64]]


def build_model(seed: int, progress: Callable[[float], None]) -> Stage:
    """Train v1; then v2, which ships with a preprocessing mistake, and v3, which has it mended."""
    world = World(seed)
    rng = np.random.default_rng([seed, 2])
    cameras = make_cameras(SITES, CAMERAS_PER_SITE, rng)
    images, labels = [], []
    for camera in cameras:
        picked = rng.choice(world.training_indices(), TRAINING_LOOKS)
        images.append(world.render(camera, picked, rng))
        labels.append(world.labels[picked])
    x, y = np.concatenate(images), np.concatenate(labels)
    first = train(x, y, epochs=6, seed=seed, progress=lambda share: progress(0.85 * share))
    second = train(
        x, y, epochs=1, seed=seed + 1, start=first, progress=lambda s: progress(0.85 + 0.15 * s)
    )
    versions = _versions(first, second)
    held_out = rng.choice(world.held_out_indices(), 1000)
    probabilities, _ = versions["v1"].infer(world.render(cameras[0], held_out, rng))
    accuracy = float((probabilities.argmax(axis=1) == world.labels[held_out]).mean())
    return Stage(
        world=world,
        cameras=tuple(cameras),
        versions=versions,
        accuracy=accuracy,
        training=(x, y),
    )


def _versions(first: DigitReader, second: DigitReader) -> dict[str, ReaderVersion]:
    return {
        "v1": ReaderVersion("v1", first),
        "v2": ReaderVersion("v2", second, standardised_bottom_up),
        "v3": ReaderVersion("v3", second),
    }


def build_baselines(
    services: Services, fleet: Stage, seed: int, progress: Callable[[float], None]
) -> dict[str, Baseline]:
    """A baseline for each version, from held-out digits and the preprocessing of its training."""
    built: dict[str, Baseline] = {}
    looks: dict[DigitReader, list[Labelled]] = {}
    for place, version in enumerate(fleet.versions):
        network = fleet.versions[version].network
        if network not in looks:
            trained = ReaderVersion(version, network)
            looks[network] = list(
                looks_of(fleet, trained, fleet.cameras, np.random.default_rng([seed, 5]))
            )
        built[version] = fit(version, looks[network], seed, services.clock.now())
        progress((place + 1) / len(fleet.versions))
    with services.sessions.begin() as session:
        for baseline in built.values():
            baselines.add(session, baseline)
    return built


def fit(version: str, looks: Sequence[Labelled], seed: int, at: datetime) -> Baseline:
    """The baseline of a version, from its predictions on held-out digits."""
    return fit_baseline(
        model=ModelRef(name=MODEL, version=version, deployment=DEPLOYMENT),
        batches=looks,
        keys=KEYS,
        dataset="held-out handwritten digits, as every camera sees them",
        created_at=at,
        class_names=tuple("0123456789"),
        seed=seed,
        author="vigil demo",
        reason="built with the model",
    )


def looks_of(
    fleet: Stage, version: ReaderVersion, cameras: Sequence[Camera], rng: np.random.Generator
) -> Iterator[Labelled]:
    """What a version makes of held-out digits, a batch a camera."""
    counter = 0
    for camera in cameras:
        picked = rng.choice(fleet.world.held_out_indices(), BASELINE_LOOKS)
        images = fleet.world.render(camera, picked, rng)
        began = time.perf_counter()
        probabilities, embeddings = version.infer(images)
        took = time.perf_counter() - began
        numbers = np.arange(counter, counter + len(picked), dtype=np.uint64)
        counter += len(picked)
        batch = make_batch(
            ids=[f"baseline-{i}" for i in numbers],
            counter=numbers,
            custom_ids=True,
            time_s=0.0,
            version=version.name,
            images=images,
            embeddings=embeddings,
            outputs=probabilities,
            latency_s=took,
            metadata=camera.metadata,
            thumbnails=True,
        )
        yield batch, fleet.world.labels[picked]


def make_history(
    services: Services,
    watched: WatchedModel,
    fleet: Stage,
    past: Past,
    *,
    windows: int = HISTORY_WINDOWS,
    progress: Callable[[float], None],
) -> BackfillReport:
    """Thousands of healthy windows of v1, ending now, through recorder, wire format and ingest."""
    end = int(np.floor(services.clock.now().timestamp() / WINDOW_S))
    total = windows * len(fleet.cameras) * IMAGES_PER_CAMERA_S
    batches = past.windows(
        "v1",
        fleet.versions["v1"].network,
        fleet.cameras,
        first=end - windows,
        windows=windows,
        images_per_camera=IMAGES_PER_CAMERA_S,
    )
    return backfill(services, watched, batches, progress=lambda records: progress(records / total))


def release_first(services: Services, registry: Path) -> None:
    """v1 serves, and is known good: the registry and the record of releases say so."""
    LocalRegistry(registry).promote(MODEL, DEPLOYMENT, "v1", actor="vigil demo")
    with services.sessions.begin() as session:
        session.query(ReleaseRow).filter_by(model=MODEL, version="v1").delete()
        session.add(
            ReleaseRow(
                model=MODEL,
                deployment=DEPLOYMENT,
                version="v1",
                previous=None,
                started_at=utc(services.clock.now().timestamp() - 86400.0),
                origin="announced",
                actor="vigil demo",
                known_good=True,
            )
        )


def put_secrets() -> None:
    """The demo's secrets, in the environment, where a deployment would have them."""
    os.environ.update(SECRETS)
