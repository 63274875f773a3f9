"""All statistics of an image, against numpy's mean and standard deviation of each channel of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.collector.load import BATCH, Load, quantile, times
from vigil.measuring.measure import Measure
from vigil.signals.strips import strips_of

ROUNDS = 25


def images(load: Load) -> dict[str, Any]:
    """Microseconds for one image of 224x224x3, as a sidecar measures them, 64 at a time.

    Statistics, hashes and what else is made of images, less what a batch without images costs.
    """
    measure = Measure()
    whole = load.images[0]
    strips = strips_of(whole)
    ids = [f"r{i}" for i in range(BATCH)]
    counter = np.arange(BATCH, dtype=np.uint64)
    plain: dict[str, Any] = {
        "ids": ids,
        "counter": counter,
        "custom_ids": False,
        "time_s": 0.0,
        "version": "v1",
    }
    ours: list[float] = []
    theirs: list[float] = []
    alone: list[float] = []
    for _ in range(ROUNDS):
        ours += times(lambda: measure.batch(images=strips, **plain), 4)
        alone += times(lambda: measure.batch(**plain), 4)
        theirs += times(
            lambda: [
                (plane.mean(), plane.std())
                for plane in (whole[0][..., c].astype(np.float32) for c in range(3))
            ],
            8,
        )
    image = (quantile(ours, 0.5) - quantile(alone, 0.5)) / BATCH
    numpy_us = quantile(theirs, 0.5)
    return {
        "image_us": round(image, 1),
        "numpy_mean_std_us": round(numpy_us, 1),
        "image_over_numpy_mean_std": round(image / numpy_us, 3),
    }
