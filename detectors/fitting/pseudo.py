"""Scores of random pseudo-windows of the baseline: what a healthy window looks like before there
are any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.frame import Part
from detectors.scores import score
from vigil.measuring.batch import RecordBatch
from vigil.measuring.columns import counted_classes, per_record_and_box
from vigil.measuring.summarise import cells_of
from vigil.types import WHOLE
from vigil.windows.baseline import Baseline
from vigil.windows.summary import FEATURE_UNIT, Ints, Summary

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


class _Ragged:
    """Any number of things a record, that come with the record when it is drawn."""

    def __init__(self, rows: NDArray[Any], records: int) -> None:
        self._order = np.argsort(rows, kind="stable")
        self._counts = np.bincount(rows, minlength=records)
        self._first = np.cumsum(self._counts) - self._counts
        self.is_one_each = bool((self._counts == 1).all())

    def of(self, picked: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the things of the picked records, and which draw each belongs to."""
        if self.is_one_each:
            return self._order[picked], np.arange(len(picked))
        mine = self._counts[picked]
        start = np.repeat(self._first[picked] - (np.cumsum(mine) - mine), mine)
        places = self._order[start + np.arange(int(mine.sum()))]
        return places, np.repeat(np.arange(len(picked)), mine)


class _Prepared:
    """The records measured once, so that a window is only sums of their rows."""

    def __init__(self, baseline: Baseline, records: RecordBatch) -> None:
        ruler = baseline.ruler
        layout = self.layout = ruler.layout
        n = len(records)
        self.cells, self.rows = cells_of(records, layout.keys, max_cells=MAX_CELLS)
        self.scalars = [
            (
                per.columns,
                _Ragged(per.rows, n),
                ruler.digitise(per.values, per.columns),
                ruler.standardise(per.values, per.columns),
            )
            for per in per_record_and_box(records, layout.signals)
            if per.columns
        ]
        class_rows, self.classes = counted_classes(records, layout.classes)
        self.classed = _Ragged(class_rows, n)
        self.features = np.zeros((n, layout.features), np.float64)
        self.embedded = np.zeros(n, bool)
        if (
            ruler.projection is not None
            and records.embedding.shape[1] == ruler.projection.dimension
        ):
            self.embedded |= np.isfinite(records.embedding).all(axis=1)
            chosen = records.embedding[self.embedded]
            self.features[self.embedded] = ruler.projection.transform(chosen)

    def window(self, picked: NDArray[np.int64]) -> Summary:
        c, k = len(self.cells), self.layout.classes + 1
        rows = self.rows[picked]
        member = np.zeros((c, len(picked)))
        member[rows, np.arange(len(picked))] = 1.0
        counts, moments = self._scalars(picked)
        places, draws = self.classed.of(picked)
        classes = np.bincount(rows[draws] * k + self.classes[places], minlength=c * k)
        return Summary(
            layout=self.layout,
            cells=self.cells,
            records=member.sum(axis=1).astype(np.int64),
            counts=counts,
            moments=moments,
            classes=classes.reshape(c, k).astype(np.int64),
            embedded=(member @ self.embedded[picked]).astype(np.int64),
            features=np.rint(member @ self.features[picked] * FEATURE_UNIT).astype(np.int64),
        )

    def _scalars(self, picked: NDArray[np.int64]) -> tuple[Ints, Ints]:
        c, names, b = len(self.cells), len(self.layout.signals), self.layout.bins + 1
        counts, moments = np.zeros((c, names, b), np.int64), np.zeros((c, names, 2), np.int64)
        for columns, things, bins, moved in self.scalars:
            s = len(columns)
            places, draws = things.of(picked)
            rows = self.rows[picked][draws]
            spots = (rows[:, None] * s + np.arange(s)) * b + bins[places]
            mine = np.bincount(spots.reshape(-1), minlength=c * s * b)
            counts[:, columns] = mine.reshape(c, s, b)
            member = np.zeros((c, len(places)))
            member[rows, np.arange(len(places))] = 1.0
            values = moved[places].astype(np.float64)
            sums = np.stack([member @ values, member @ values**2], axis=2)
            moments[:, columns] = np.rint(sums).astype(np.int64)
        return counts, moments


def with_scores(baseline: Baseline, records: RecordBatch, rng: np.random.Generator) -> Baseline:
    """The baseline with its pseudo-windows' scores, and the hash that belongs to it."""
    return replace(baseline, healthy_scores=pseudo_scores(baseline, records, rng), sha256="")
