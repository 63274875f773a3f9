"""One camera that loses its light: a baseline, live windows and an incident, stored as ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from incident_rows import incident_row

from detectors.fit import fit_baseline
from monitor.services import Services, open_services
from monitor.settings.load import load_settings
from monitor.store import baselines
from monitor.store.tables import IncidentRow
from vigil.clock import ManualClock
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.pipeline.recorder import Recorder
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline
from vigil.windows.window import Window

HOSTILE = "</script><script>alert(1)</script>"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ONSET = NOW - timedelta(minutes=10)
CLASSES = 4
NAMES = ("cat", HOSTILE, "dog", "<img src=x onerror=alert(1)>")

CONFIG = """
[service]
database = "sqlite:///vigil.db"
samples = "samples"

[[models]]
name = "reader"
keys = ["camera"]
class_names = []

[receivers.console]
kind = "console"

[[routes]]
receivers = ["console"]
"""


def batch(seed: int, n: int, at: datetime, *, dark: float = 1.0, camera: str = "") -> RecordBatch:
    """n images of the two cameras in turn, or of one; every tenth record has no latency."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(60, 200, (n, 1, 1, 1)) * dark
    images = np.clip(level + rng.normal(0, 20, (n, 8, 8, 3)), 0, 255).astype(np.uint8)
    logits = rng.normal(size=(n, CLASSES)) * (1.0 + 2.0 * dark)
    exp = np.exp(logits)
    latency = rng.gamma(4.0, 0.005, n)
    latency[::10] = np.nan
    cameras = [camera] * n if camera else [("c1", HOSTILE)[i % 2] for i in range(n)]
    start = int(at.timestamp())
    return make_batch(
        ids=[f"s.b.{start * 1000 + i}" for i in range(n)],
        counter=np.arange(n, dtype=np.uint64),
        custom_ids=False,
        time_s=start + np.arange(n) * (50.0 / n),
        version="v1",
        images=images,
        embeddings=rng.normal(size=(n, 8)).astype(np.float32),
        outputs=exp / exp.sum(axis=1, keepdims=True),
        latency_s=latency,
        metadata={"camera": cameras},
    )


@lru_cache(maxsize=1)
def baseline() -> Baseline:
    """Eight hundred records, all of them in its sample."""
    return fit_baseline(
        model=ModelRef(name="reader", version="v1"),
        batches=[(batch(1, 800, NOW - timedelta(days=5)), None)],
        keys=("camera",),
        dataset="validation",
        created_at=NOW - timedelta(days=4),
        class_names=NAMES,
        classes=CLASSES,
    )


@lru_cache(maxsize=1)
def windows() -> tuple[Window, ...]:
    """Three minutes of the camera whose light fails, every record of it sampled."""
    recorder = Recorder(
        model="reader",
        deployment="production",
        source="s",
        boot="b",
        keys=("camera",),
        window_s=60.0,
        rulers=lambda _: baseline().ruler,
        sample_size=300,
    )
    found = []
    for minute in range(3):
        at = ONSET + timedelta(minutes=minute)
        found += recorder.add(batch(10 + minute, 150, at, dark=0.8, camera=HOSTILE))
    return (*found, *recorder.close())


def services_in(folder: Path) -> Services:
    (folder / "vigil.toml").write_text(CONFIG)
    return open_services(load_settings(folder / "vigil.toml"), clock=ManualClock(NOW))


def incident(**changed: Any) -> IncidentRow:
    values: dict[str, Any] = {
        "slice": f"camera={HOSTILE}",
        "title": f"Camera {HOSTILE} went dark",
        "onset_at": ONSET,
        "detected_at": ONSET + timedelta(minutes=1),
        "mitigated_at": NOW - timedelta(minutes=5),
    }
    return incident_row(NOW, **(values | changed))


def seed(services: Services) -> None:
    """Incident 1 has samples; 2 is of a slice that was never seen, 3 of an unknown version."""
    with services.sessions.begin() as session:
        baselines.add(session, baseline())
        for changed in ({}, {"slice": "camera=c9"}, {"model_version": "v8"}):
            session.add(incident(**changed))
            session.flush()
    receipts = services.ingest.windows([one.to_bytes() for one in windows()])
    assert [receipt.status for receipt in receipts] == ["accepted"] * len(windows())
