"""Models of every task but classification, one synthetic scene each, and faults of their own."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from detectors.fit import fit_baseline
from small_fleet.cameras import NOON
from vigil.measuring.batch import RecordBatch
from vigil.measuring.measure import Measure
from vigil.types import ModelRef, Task
from vigil.windows.baseline import Baseline

TASKS: tuple[Task, ...] = (
    "multilabel",
    "detection",
    "tracking",
    "segmentation",
    "ocr",
    "embedding",
)
A_WINDOW = 60
VERSION = "v1"


def arguments(task: Task, rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """What a model of a task hands to ``record`` for n inputs; the fault shows in it only."""
    return {
        "multilabel": _labels,
        "detection": _detections,
        "tracking": _tracks,
        "segmentation": _masks,
        "ocr": _texts,
        "embedding": _vectors,
    }[task](rng, n, faulty)


def _labels(rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """Faulty: the third of five labels is hardly ever predicted."""
    chance = np.array([0.5, 0.3, 0.02 if faulty else 0.7, 0.2, 0.3])
    chosen = rng.random((n, 5)) < chance
    sure = rng.beta(8, 2, (n, 5)) / 2
    return {"outputs": np.where(chosen, 0.5 + sure, 0.5 - sure)}


def _boxes(rng: np.random.Generator, counts: np.ndarray, shrink: float) -> np.ndarray:
    m = int(counts.sum())
    centre = rng.uniform(0.3, 0.7, (m, 2))
    half = rng.gamma(20, 0.005, (m, 1)) * rng.uniform(0.8, 1.2, (m, 2)) * shrink
    return np.concatenate([centre - half, centre + half], axis=1)


def _detections(rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """Faulty: boxes are smaller by 30 %."""
    counts = rng.poisson(4, n)
    m = int(counts.sum())
    boxes = _boxes(rng, counts, 0.7 if faulty else 1.0)
    classes = rng.choice(3, m, p=[0.5, 0.3, 0.2])
    scores = rng.beta(8, 2, m)
    return {"detections": {"boxes": boxes, "counts": counts, "scores": scores, "classes": classes}}


def _tracks(rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """Four things that stand still; faulty: their numbers change four times as often."""
    places = np.array([[0.1, 0.1], [0.6, 0.1], [0.1, 0.6], [0.6, 0.6]])
    switch = rng.random((n, 4)) < (0.4 if faulty else 0.1)
    first = int(rng.integers(1, 2**40))
    ids = first + np.cumsum(switch, axis=0) * 4 + np.arange(4)
    corner = places + rng.normal(0, 0.002, (n, 4, 2))
    boxes = np.concatenate([corner, corner + 0.2], axis=2).reshape(-1, 4)
    scores = rng.beta(8, 2, 4 * n)
    found = {"boxes": boxes, "counts": np.full(n, 4), "scores": scores, "classes": [0] * (4 * n)}
    return {"detections": found, "tracks": ids.reshape(-1)}


def _masks(rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """Background, road, car and person as columns of a mask; faulty: nobody is seen any more."""
    masks = np.zeros((n, 16, 64), np.uint8)
    for row in range(n):
        road, car, person = rng.integers(16, 28), rng.integers(2, 14), rng.integers(2, 10)
        masks[row, 4:, :road] = 1
        masks[row, 4:, 30 : 30 + car] = 2
        masks[row, 6:, 48 : 48 + person] = 0 if faulty else 3
    return {"masks": masks}


def _texts(rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """Plates and names; faulty: only half of each is read."""
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"))
    lengths = rng.integers(6, 16, n)
    texts = ["".join(rng.choice(letters, size)) for size in lengths]
    if faulty:
        texts = [text[: len(text) // 2] for text in texts]
    sure = [rng.beta(12, 2, len(text)) for text in texts]
    return {"texts": texts, "signals": {"character_confidence": sure}}


def _vectors(rng: np.random.Generator, n: int, faulty: bool) -> dict[str, Any]:
    """Two embeddings; faulty: the second one's texts are of another kind."""
    text = rng.normal(0, 1, (n, 6)) * (1.8 if faulty else 1.0)
    return {"embeddings": {"main": rng.normal(0, 1, (n, 8)), "text": text}}


class Scenes:
    """Batches of one task, one a window."""

    def __init__(self, task: Task, source: str) -> None:
        self.task, self.source = task, source
        self._measure = Measure(task=task)

    def batch(self, tick: int, *, faulty: bool = False, n: int = A_WINDOW) -> RecordBatch:
        """The records of a window, measured in order."""
        rng = np.random.default_rng([7, tick, *self.task.encode(), *self.source.encode()])
        counter = np.arange(tick * 1000, tick * 1000 + n, dtype=np.uint64)
        return self._measure.batch(
            ids=[f"{self.source}.b1.{i}" for i in counter],
            counter=counter,
            custom_ids=False,
            time_s=tick - 0.5,
            version=VERSION,
            latency_s=rng.gamma(5, 0.001, n),
            **arguments(self.task, rng, n, faulty),
        )


@lru_cache(maxsize=len(TASKS))
def task_baseline(task: Task) -> Baseline:
    """The baseline of the model that is named after its task."""
    scenes = Scenes(task, "lab")
    return fit_baseline(
        model=ModelRef(name=task, version=VERSION),
        batches=[(scenes.batch(tick), None) for tick in range(30)],
        keys=(),
        dataset="synthetic",
        created_at=NOON,
        bins=16,
    )
