"""What embeddings say. Distances to the baseline are measured with a ruler, when a window sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from vigil.signals.declare import signal
from vigil.signals.view import View
from vigil.types import SignalKind

DISTANCE = "embedding_distance"


@signal(
    DISTANCE,
    kind=SignalKind.EMBEDDING,
    unit="baseline standard deviations",
    high=20.0,
    harm="higher",
    description="whitened distance of the embedding to the baseline's mean",
)
def embedding_distance(view: View) -> Any:
    return None if view.embedding is None else np.full(view.n, np.nan)


@signal(
    "embedding_norm",
    kind=SignalKind.EMBEDDING,
    unit="length",
    high=64.0,
    description="Euclidean length of the embedding",
)
def embedding_norm(view: View) -> Any:
    if view.embedding is None:
        return None
    return np.sqrt((view.embedding.astype(np.float64) ** 2).sum(axis=1))
