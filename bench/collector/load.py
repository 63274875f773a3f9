"""The batch that everything is measured on, and how a time is taken."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BATCH, DIMENSION, CLASSES, SIDE = 64, 512, 1000, 224


@dataclass(frozen=True, slots=True)
class Load:
    """64 inferences: embeddings (64, 512) and softmax (64, 1000) as float32, metadata in two
    columns, and images (64, 224, 224, 3) of which several batches lie in memory, as from a camera.
    """

    embeddings: NDArray[np.float32]
    outputs: NDArray[np.float32]
    images: list[NDArray[np.uint8]]
    metadata: dict[str, list[str]] = field(default_factory=dict)


def a_load() -> Load:
    rng = np.random.default_rng(0)
    return Load(
        embeddings=rng.normal(size=(BATCH, DIMENSION)).astype(np.float32),
        outputs=rng.dirichlet(np.ones(CLASSES), BATCH).astype(np.float32),
        images=[rng.integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=np.uint8) for _ in range(4)],
        metadata={
            "site": [f"site-{i % 4}" for i in range(BATCH)],
            "camera": [f"camera-{i % 12}" for i in range(BATCH)],
        },
    )


def alone_on_the_core() -> bool:
    """Ask for real-time priority, so that a shared machine's other work is not counted as ours;
    whether it was given."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    except (OSError, AttributeError):
        return False
    return True


def times(work: Callable[[], Any], n: int, after: Callable[[], Any] = lambda: None) -> list[float]:
    """Microseconds of n calls in a row; what is done ``after`` each is not counted."""
    found = []
    for _ in range(n):
        started = time.perf_counter_ns()
        work()
        found.append((time.perf_counter_ns() - started) / 1e3)
        after()
    return found


def quantile(found: list[float], share: float) -> float:
    ordered = sorted(found)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
