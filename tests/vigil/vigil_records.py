"""Records, rulers and batches that the collector's tests share."""

from __future__ import annotations

from typing import Any

import numpy as np

from vigil.catalogue import SCALAR_NAMES
from vigil.measuring.batch import RecordBatch, make_batch
from vigil.pipeline.recorder import Recorder
from vigil.types import ModelRef
from vigil.windows.ruler import Projection, Ruler
from vigil.windows.summary import Layout
from vigil.windows.window import Window

CLASSES, DIMENSION = 4, 6
START = 1_700_000_040.0


def a_ruler(version: str = "v1", *, model: str = "reader", seed: int = 0) -> Ruler:
    rng = np.random.default_rng(seed)
    return Ruler(
        model=ModelRef(name=model, version=version),
        layout=Layout(
            keys=("site", "camera"), signals=SCALAR_NAMES, bins=8, classes=CLASSES, features=16
        ),
        edges=np.sort(rng.random((len(SCALAR_NAMES), 7)), axis=1),
        center=np.full(len(SCALAR_NAMES), 0.5),
        scale=np.full(len(SCALAR_NAMES), 0.25),
        projection=Projection(
            weights=rng.normal(size=(8, DIMENSION)).astype(np.float32),
            mean=np.zeros(DIMENSION, np.float32),
            whitening=np.eye(3, DIMENSION, dtype=np.float32),
        ),
    )


def arrays(n: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "images": rng.integers(0, 256, (n, 9, 8), dtype=np.uint8),
        "embeddings": rng.normal(size=(n, DIMENSION)).astype(np.float32),
        "outputs": rng.dirichlet(np.ones(CLASSES), n).astype(np.float32),
        "latency_s": 0.01,
    }


def a_batch(
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    time_s: Any = 1_700_000_000.0,
    version: str = "v1",
    **changes: Any,
) -> RecordBatch:
    rng = np.random.default_rng(seed + 1)
    given: dict[str, Any] = {
        "ids": [f"src.boot.{first + i}" for i in range(n)],
        "custom_ids": False,
        "metadata": {
            "site": [f"s{i}" for i in rng.integers(0, 2, n)],
            "camera": [f"c{i}" for i in rng.integers(0, 3, n)],
        },
        **arrays(n, seed),
        **changes,
    }
    return make_batch(
        counter=np.arange(first, first + n, dtype=np.uint64),
        time_s=time_s,
        version=version,
        **given,
    )


def a_recorder() -> Recorder:
    return Recorder(
        model="reader",
        deployment="production",
        source="src",
        boot="boot",
        keys=("site", "camera"),
        window_s=60.0,
        rulers=a_ruler,
    )


def windows(n: int) -> list[Window]:
    """So many windows of a minute, two records each, from ``START``."""
    recorder = a_recorder()
    made = [
        window
        for i in range(n)
        for window in recorder.add(a_batch(2, first=2 * i, time_s=START + 60 * i))
    ]
    return made + recorder.close()
