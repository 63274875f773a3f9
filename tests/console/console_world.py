"""The made-up fleet of the console's tests: its cameras, its records, its baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Engine

from monitor.metrics import Metrics
from monitor.settings.schema import Settings
from monitor.settings.secrets import Secret
from monitor.store.database import Sessions, open_engine
from monitor.store.samples import MemorySamples, SampleStore
from monitor.store.tables import Base
from vigil.catalogue import SCALAR_NAMES
from vigil.clock import ManualClock
from vigil.measuring.batch import RecordBatch
from vigil.measuring.summarise import sample_of, summarise
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.ruler import Projection, Ruler
from vigil.windows.sample import Sample
from vigil.windows.summary import CONFIDENCE_BINS, Layout, Outcomes

NOW = datetime(2026, 11, 21, 3, 12, 40, tzinfo=UTC)
MODEL, DEPLOYMENT = "meter-reader", "production"
SITES = {"north": ("cam-01", "cam-02"), "south": ("cam-03", "cam-04"), "dock": ("cam-05",)}
CELLS = tuple((site, camera) for site, cameras in SITES.items() for camera in cameras)
BAD_CELL = ("south", "cam-04")
BAD_SLICE = "site=south & camera=cam-04"
HOSTILE = "<script>alert(1)</script>"
DIM, CLASSES, BINS = 16, 10, 48
WINDOW_S = 60.0
ONSET, DETECTED = NOW - timedelta(minutes=14), NOW - timedelta(minutes=12, seconds=21)


@dataclass
class Fleet:
    settings: Settings
    clock: ManualClock
    sessions: Sessions
    samples: SampleStore
    folder: Path
    engine: Engine
    metrics: Metrics
    session_secret: Secret
    incidents: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)


def empty_fleet(folder: Path, **service: Any) -> Fleet:
    engine = open_engine(f"sqlite:///{folder / 'vigil.db'}")
    Base.metadata.create_all(engine)
    settings = Settings.model_validate(
        {
            "service": {"window_s": WINDOW_S, **service},
            "models": [
                {
                    "name": MODEL,
                    "owner": "team-vision",
                    "price_per_hour": 0.8,
                    "currency": "EUR",
                    "keys": ["site", "camera"],
                    "class_names": [str(k) for k in range(10)],
                }
            ],
        }
    )
    return Fleet(
        settings=settings,
        clock=ManualClock(NOW),
        sessions=Sessions(engine),
        samples=MemorySamples(),
        folder=folder,
        engine=engine,
        metrics=Metrics(),
        session_secret=Secret("not so secret"),
    )


def batch(
    rng: np.random.Generator, n: int, cell: tuple[str, str], at: datetime, *, blurred: bool = False
) -> RecordBatch:
    """Signals, probabilities and embeddings of n made-up images of one camera."""
    site = list(SITES).index(cell[0])
    noise = rng.normal(size=(n, len(SCALAR_NAMES)))
    centre = np.array([0.46 + 0.03 * site, 0.21, 1.3, 0.3, 0.02, 0.02, 0.0, 0.0, 0.0, 1.0, 0.024])
    spread = np.array([0.05, 0.03, 0.16, 0.05, 0.008, 0.005, 0.0, 0.0, 0.0, 0.2, 0.004])
    signals = np.abs(centre + noise * spread)
    if blurred:
        signals[:, 2] *= 0.58
    logits = rng.normal(size=(n, CLASSES)) * 0.9
    truth = rng.integers(0, CLASSES, n)
    logits[np.arange(n), truth] += np.where(rng.random(n) < (0.55 if blurred else 0.94), 5.2, 1.4)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    ordered = np.sort(p, axis=1)
    signals[:, 6] = ordered[:, -1]
    signals[:, 7] = -(p * np.log(p + 1e-12)).sum(axis=1) / np.log(CLASSES)
    signals[:, 8] = ordered[:, -1] - ordered[:, -2]
    means = np.random.default_rng(5).normal(size=(CLASSES, DIM)) * 1.7
    embedding = means[truth] + rng.normal(size=(n, DIM)) * 0.7
    if blurred:
        embedding = embedding * 0.55 + np.linspace(2.2, -1.2, DIM)
    start = int(at.timestamp() * 1000) * 1000 + 200 * CELLS.index(cell) if cell in CELLS else 0
    return RecordBatch(
        ids=tuple(f"edge-1.b0.{start + i}" for i in range(n)),
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=False,
        time_s=np.full(n, at.timestamp()) + np.arange(n) / max(1, n),
        version="v1",
        signals=signals,
        prediction=p.argmax(axis=1).astype(np.int32),
        probabilities=p.astype(np.float32),
        embedding=embedding.astype(np.float32),
        metadata=tuple({"site": cell[0], "camera": cell[1]} for _ in range(n)),
        uris=("",) * n,
        trace_ids=("",) * n,
        thumbnails=np.zeros((n, 0, 0, 1), np.uint8),
        flags=np.zeros(n, np.uint32),
        pixel_range=np.full((n, 2), np.nan, np.float32),
    )


def make_baseline(version: str, created_at: datetime) -> Baseline:
    rng = np.random.default_rng(1)
    batches = [batch(rng, 400, cell, created_at) for cell in CELLS]
    signals = np.concatenate([b.signals for b in batches])
    layout = Layout(
        keys=("site", "camera"), signals=SCALAR_NAMES, bins=BINS, classes=CLASSES, features=32
    )
    ruler = Ruler(
        model=ModelRef(name=MODEL, version=version),
        layout=layout,
        edges=np.quantile(signals, np.linspace(0, 1, BINS + 1)[1:-1], axis=0).T.copy(),
        center=signals.mean(axis=0),
        scale=signals.std(axis=0) + 1e-9,
        projection=Projection(
            weights=rng.normal(size=(16, DIM)).astype(np.float32) / 4,
            mean=np.zeros(DIM, np.float32),
            whitening=np.eye(4, DIM, dtype=np.float32) / 2,
        ),
    )
    whole = [summarise(b, ruler) for b in batches]
    reference = whole[0][0]
    for summary, _, _ in whole[1:]:
        reference = reference + summary
    confidence = np.linspace(0.35, 0.999, CONFIDENCE_BINS * 60)
    correct = rng.random(len(confidence)) < confidence
    return Baseline(
        model=ModelRef(name=MODEL, version=version),
        dataset="fleet-2026-10, 5 cameras",
        created_at=created_at,
        ruler=ruler,
        reference=reference,
        outcomes=Outcomes.of((), [()] * len(confidence), confidence, correct),
        healthy_scores={},
        sample=Sample.merge(
            [sample_of(b, k=120, weighted=False, keep_thumbnails=False) for b in batches], 500
        ),
        class_names=tuple(str(k) for k in range(CLASSES)),
        author="mira",
        reason="release 1",
    )
