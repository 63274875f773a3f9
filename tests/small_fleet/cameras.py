"""What the cameras see, and the model that reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from detectors.fit import fit_baseline
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.measuring.generic import generic_ruler
from vigil.pipeline.recorder import Recorder
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Ruler

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
