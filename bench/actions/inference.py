"""What the inference process makes of one window: pictures in, records out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.actions.scene import Scene, look
from monitor.demo.configuration import WINDOW_S
from monitor.demo.reader import ReaderVersion
from monitor.demo.world import World
from vigil.measuring.batch import RecordBatch, make_batch

EACH = 20
"""Pictures of one camera in a window."""

SHARE_LABELLED = 0.1
SOURCE, BOOT = "meter-fleet", "b1"


def infer(
    world: World, model: ReaderVersion, scene: Scene, tick: int, rng: np.random.Generator
) -> tuple[RecordBatch, NDArray[np.int64]]:
    """The records of the window that ends at ``tick``, and what their pictures show (-1: no
    digit)."""
    images, truth = look(world, scene, EACH, rng)
    probabilities, embeddings = model.infer(images)
    n, low = len(images), tick * 10_000
    batch = make_batch(
        ids=[f"{SOURCE}.{BOOT}.{number}" for number in range(low, low + n)],
        counter=np.arange(low, low + n, dtype=np.uint64),
        custom_ids=False,
        time_s=tick * WINDOW_S - WINDOW_S / 2 + scene.skew_s,
        version=model.name,
        images=images,
        embeddings=embeddings,
        outputs=probabilities,
        latency_s=rng.gamma(8.0, scene.latency_s / 8.0, n),
        metadata=[camera.metadata for camera in scene.cameras for _ in range(EACH)],
        thumbnails=True,
    )
    return batch, truth
