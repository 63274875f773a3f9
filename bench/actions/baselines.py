"""The baseline of a version: its own predictions on held-out digits, as the cameras see them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from bench.actions.inference import infer
from bench.actions.scene import Scene
from detectors.fit import fit_baseline
from monitor.demo.configuration import DEPLOYMENT, KEYS, MODEL
from monitor.demo.reader import ReaderVersion
from monitor.demo.world import Camera, World
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline


def baseline_of(
    world: World,
    model: ReaderVersion,
    cameras: Sequence[Camera],
    *,
    windows: int,
    seed: int,
    at: datetime,
) -> Baseline:
    """Fitted to ``windows`` healthy windows."""
    rng, scene = np.random.default_rng([seed, 47]), Scene(cameras=tuple(cameras))
    return fit_baseline(
        model=ModelRef(name=MODEL, version=model.name, deployment=DEPLOYMENT),
        batches=[infer(world, model, scene, tick, rng) for tick in range(1, windows + 1)],
        keys=KEYS,
        dataset="held-out handwritten digits, as every camera sees them",
        created_at=at,
        class_names=tuple("0123456789"),
        seed=seed,
        author="bench",
        reason="built with the model",
    )
