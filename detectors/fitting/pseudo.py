"""Scores of random pseudo-windows of the baseline: what a healthy window looks like before there
are any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Part
from detectors.scores import score
from vigil.baseline import Baseline
from vigil.batch import RecordBatch
from vigil.catalogue import SCALAR_NAMES
from vigil.summarise import cells_of
from vigil.summary import FEATURE_UNIT, Summary
from vigil.types import WHOLE

WINDOWS = 400
SMALLEST, LARGEST = 64, 512
POOL = 8192
MAX_CELLS = 4096


def pseudo_scores(
    baseline: Baseline, records: RecordBatch, rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Standardised scores ``score / noise`` of whole-model streams over 400 random windows.

    Args:
        baseline: without scores yet.
        records: a uniform sample of its records, signals complete, embeddings included.
        rng: draws windows of 64 to 512 records, with replacement.
    """
    n = len(records)
    if n == 0:
        return {}
    prepared = _Prepared(baseline, records)
    found: dict[str, list[float]] = {}
    for size in rng.integers(SMALLEST, LARGEST + 1, WINDOWS).tolist():
        summary = prepared.window(rng.integers(0, n, size))
        batch = score([Part(baseline=baseline, summary=summary)], "", "", slices=[WHOLE])
        for stream, value in zip(batch.streams, (batch.score / batch.noise).tolist(), strict=True):
            found.setdefault(stream.signal, []).append(value)
    return {name: np.array(values, np.float32) for name, values in found.items()}


class _Prepared:
    """The records measured once, so that a window is only sums of their rows."""

    def __init__(self, baseline: Baseline, records: RecordBatch) -> None:
        ruler = baseline.ruler
        layout = self.layout = ruler.layout
        columns = [SCALAR_NAMES.index(name) for name in layout.signals]
        self.cells, self.rows = cells_of(records, layout.keys, max_cells=MAX_CELLS)
        values = records.signals[:, columns]
        self.bins = ruler.digitise(values)
        self.moved = ruler.standardise(values)
        known = (records.prediction >= 0) & (records.prediction < layout.classes)
        self.classes = np.where(known, records.prediction, layout.classes).astype(np.int64)
        self.features = np.zeros((len(records), layout.features), np.float64)
        self.embedded = np.zeros(len(records), bool)
        if (
            ruler.projection is not None
            and records.embedding.shape[1] == ruler.projection.dimension
        ):
            self.embedded |= np.isfinite(records.embedding).all(axis=1)
            chosen = records.embedding[self.embedded]
            self.features[self.embedded] = ruler.projection.transform(chosen)

    def window(self, picked: NDArray[np.int64]) -> Summary:
        c, s, b = len(self.cells), len(self.layout.signals), self.layout.bins
        rows = self.rows[picked]
        spots = (rows[:, None] * s + np.arange(s)) * (b + 1) + self.bins[picked]
        member = np.zeros((c, len(picked)))
        member[rows, np.arange(len(picked))] = 1.0
        moved = self.moved[picked].astype(np.float64)
        moments = np.stack([member @ moved, member @ moved**2], axis=2)
        k = self.layout.classes + 1
        classes = np.bincount(rows * k + self.classes[picked], minlength=c * k)
        summary = Summary(
            layout=self.layout,
            cells=self.cells,
            records=member.sum(axis=1).astype(np.int64),
            counts=np.bincount(spots.reshape(-1), minlength=c * s * (b + 1))
            .reshape(c, s, b + 1)
            .astype(np.int64),
            moments=np.rint(moments).astype(np.int64),
            classes=classes.reshape(c, k).astype(np.int64),
            embedded=(member @ self.embedded[picked]).astype(np.int64),
            features=np.rint(member @ self.features[picked] * FEATURE_UNIT).astype(np.int64),
        )
        return summary


def with_scores(baseline: Baseline, records: RecordBatch, rng: np.random.Generator) -> Baseline:
    """The baseline with its pseudo-windows' scores, and the hash that belongs to it."""
    return replace(baseline, healthy_scores=pseudo_scores(baseline, records, rng), sha256="")
