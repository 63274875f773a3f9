"""What the records of a window look like beside the baseline's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Distribution:
    """Shares per bar, baseline against current. ``edges`` (n + 1,); ``below`` and ``above`` are
    the shares (baseline, current) outside the edges."""

    signal: str
    unit: str
    slice: str
    edges: Floats
    baseline: Floats
    current: Floats
    below: tuple[float, float]
    above: tuple[float, float]
    missing: tuple[float, float]
    baseline_records: int
    current_records: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassShares:
    """Predicted classes, baseline against current."""

    names: tuple[str, ...]
    baseline: Floats
    current: Floats
    slice: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EmbeddingMap:
    """Embeddings on the baseline's two main axes. ``baseline`` (n, 2), ``current`` (m, 2),
    ``named`` (m,) true inside the slice an incident names. ``explained``: share of variance."""

    baseline: Floats
    current: Floats
    named: NDArray[np.bool_]
    explained: tuple[float, float]
    slice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    confidence: float
    accuracy: float
    labels: int
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """How often predictions of a stated confidence are right."""

    bins: tuple[ReliabilityBin, ...]
    baseline: tuple[ReliabilityBin, ...]
    labels: int
    accuracy: float
    gap: float
    baseline_accuracy: float | None
    baseline_gap: float | None
