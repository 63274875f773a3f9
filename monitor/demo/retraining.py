"""The training that follows labels: the latest model, trained on with what people labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from monitor.demo.reader import ReaderVersion, train
from monitor.demo.stage import Stage
from monitor.demo.world import Images

REPEATS = 12
KEPT_SHARE = 0.5
EPOCHS = 4


def trained_on(
    fleet: Stage, version: str, name: str, labelled: Sequence[tuple[Path, int]], seed: int
) -> ReaderVersion:
    """``version`` trained on with pictures and labels, beside half of its first pictures."""
    rng = np.random.default_rng([seed, 43])
    old, known = fleet.training
    kept = rng.choice(len(known), round(KEPT_SHARE * len(known)), replace=False)
    images = np.stack([_picture(path) for path, _ in labelled])
    labels = np.array([label for _, label in labelled], np.int64)
    network = train(
        np.concatenate([old[kept], np.repeat(images, REPEATS, axis=0)]),
        np.concatenate([known[kept], np.repeat(labels, REPEATS)]),
        epochs=EPOCHS,
        seed=seed,
        start=fleet.versions[version].network,
    )
    return ReaderVersion(name, network)


def _picture(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as opened:
        pixels: Images = np.asarray(opened.convert("RGB"), np.uint8)
    return pixels
