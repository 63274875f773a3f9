"""A baseline made ready for judging: per-cell distributions as floats, looked up by cell."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from threading import Lock
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from detectors.ranks import Ranks, ranks_of
from vigil.windows.baseline import Baseline
from vigil.windows.summary import CONFIDENCE_UNIT, FEATURE_UNIT, MISSING, MOMENT_UNIT

Floats = NDArray[np.float64]

MIN_REFERENCE_RECORDS = 10
"""A leaf cell with fewer records in the baseline has no distribution of its own: it is novel."""

WHITENED = 32
"""How many directions of the features are whitened."""

FEWEST_WHITENED = 300
"""A baseline that keeps fewer whole embeddings has no whitening."""

TAIL_SHARE = 0.04
"""Out of range: the bins below or above which the baseline has at most this share."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CellTables:
    """The reference of each of C cells, in the order that was asked for. Novel cells hold zeros.

    * ``known`` (C,): the baseline has the cell.
    * ``cdf``, ``pmf`` (C, S, B) and ``values`` (C, S): distribution and number of values.
    * ``classes`` (C, K + 1) shares, ``class_records`` (C,).
    * ``feature_mean`` (C, F), ``feature_spread`` (C,) = 1 - |mean|^2, ``embedded`` (C,).
    * ``moments`` (C, S): mean of the standardised value. ``ranks``: of the bins.
    """

    known: NDArray[np.bool_]
    pmf: Floats
    cdf: Floats
    values: Floats
    moments: Floats
    ranks: Ranks
    classes: Floats
    class_records: Floats
    feature_mean: Floats
    feature_spread: Floats
    embedded: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FeatureWhitening:
    """``matrix`` (k, F): the features' leading directions at unit variance within cells.

    ``within``, ``whole``: trace of the whitened covariance within cells and of the whole baseline,
    and trace of its square.
    """

    matrix: Floats
    within: tuple[float, float]
    whole: tuple[float, float]


class Reference:
    """What judging needs of one baseline, computed once."""

    def __init__(self, baseline: Baseline) -> None:
        self.baseline = baseline
        summary = baseline.reference
        self.keys = summary.layout.keys
        self.bins = summary.layout.bins
        whole = summary.collapse()
        self.whole = _tables(
            np.array([True]),
            whole.counts.astype(np.float64),
            whole.moments / MOMENT_UNIT,
            whole.classes.astype(np.float64),
            whole.features / FEATURE_UNIT,
            whole.embedded.astype(np.float64),
        )
        self.has_signal: NDArray[np.bool_] = self.whole.values[0] > 0
        cdf = self.whole.cdf[0]
        pmf = self.whole.pmf[0]
        self.low_bins: NDArray[np.bool_] = cdf <= TAIL_SHARE
        self.high_bins: NDArray[np.bool_] = (1.0 - cdf + pmf) <= TAIL_SHARE
        self.tail_bins: NDArray[np.bool_] = (self.low_bins | self.high_bins) & self.has_signal[
            :, None
        ]
        self.tail_share: Floats = (pmf * self.tail_bins).sum(axis=1)
        self.has_classes = bool(self.whole.class_records[0] > 0) and summary.layout.classes > 0
        self.has_embedding = bool(self.whole.embedded[0] > 0) and summary.layout.features > 0
        self._where = {cell: row for row, cell in enumerate(summary.cells)}
        self._cache: OrderedDict[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], CellTables]
        self._cache = OrderedDict()

    def tables(self, keys: tuple[str, ...], cells: tuple[tuple[str, ...], ...]) -> CellTables:
        """The reference of cells given by their values of ``keys`` (a subset of the baseline's).

        Where ``keys`` are fewer than the baseline's, its cells that agree are summed.
        """
        found = self._cache.get((keys, cells))
        if found is not None:
            return found
        tables = self._build(keys, cells)
        self._cache[keys, cells] = tables
        while len(self._cache) > 8:
            self._cache.popitem(last=False)
        return tables

    def _build(self, keys: tuple[str, ...], cells: tuple[tuple[str, ...], ...]) -> CellTables:
        summary = self.baseline.reference
        take = np.zeros((len(cells), len(summary.cells)))
        if keys == self.keys:
            for row, cell in enumerate(cells):
                if cell in self._where:
                    take[row, self._where[cell]] = 1.0
        elif all(key in self.keys for key in keys):
            position = [self.keys.index(key) for key in keys]
            reduced = [tuple(cell[i] for i in position) for cell in summary.cells]
            for row, cell in enumerate(cells):
                take[row] = [float(cell == other) for other in reduced]
        records = take @ summary.records
        known = records >= MIN_REFERENCE_RECORDS
        take[~known] = 0.0

        def gather(array: NDArray[np.int64]) -> Floats:
            flat = take @ array.reshape(len(array), -1).astype(np.float64)
            return np.asarray(flat.reshape((len(cells), *array.shape[1:])))

        return _tables(
            known,
            gather(summary.counts),
            gather(summary.moments) / MOMENT_UNIT,
            gather(summary.classes),
            gather(summary.features) / FEATURE_UNIT,
            gather(summary.embedded[:, None])[:, 0],
        )

    @cached_property
    def feature_covariance(self) -> tuple[float, float]:
        """Trace of the squared covariance of the features, and its largest eigenvalue.

        From the whole records that the baseline keeps; without them, as if the spread lay evenly
        in ten directions.
        """
        spread = float(self.whole.feature_spread[0])
        features, _ = self._kept
        if len(features) < 50:
            return spread**2 / 10.0, spread / 10.0
        covariance = np.cov(features, rowvar=False)
        return float((covariance**2).sum()), float(np.linalg.eigvalsh(covariance)[-1])

    @cached_property
    def feature_whitening(self) -> FeatureWhitening | None:
        """From the whole records that the baseline keeps; None where they are too few."""
        features, cells = self._kept
        n, kinds = len(features), int(cells.max(initial=-1)) + 1
        if n < FEWEST_WHITENED:
            return None
        total = np.cov(features, rowvar=False)
        size = np.bincount(cells, minlength=kinds).astype(np.float64)
        means = np.zeros((kinds, features.shape[1]))
        np.add.at(means, cells, features)
        apart = features - (means / np.maximum(size, 1.0)[:, None])[cells]
        # Cells of a record or two say nothing of what is usual within a cell.
        within = apart.T @ apart / (n - kinds) if n - kinds >= FEWEST_WHITENED else total
        values, axes = np.linalg.eigh(within)
        values, axes = values[::-1][:WHITENED], axes[:, ::-1][:, :WHITENED]
        use = values > 1e-8 * max(float(values[0]), 1e-12)
        if not use.any():
            return None
        matrix = (axes[:, use] / np.sqrt(values[use])).T
        k, spread = float(use.sum()), matrix @ total @ matrix.T
        return FeatureWhitening(
            matrix=matrix,
            within=(k, k),
            whole=(float(np.trace(spread)), float((spread**2).sum())),
        )

    @cached_property
    def _kept(self) -> tuple[Floats, NDArray[np.int64]]:
        """Features (n, F) of the whole records that the baseline keeps, and the cell of each."""
        nothing = np.zeros((0, 1)), np.zeros(0, np.int64)
        sample, projection = self.baseline.sample, self.baseline.ruler.projection
        vectors = sample.embedding.astype(np.float32)
        if projection is None or vectors.ndim != 2 or vectors.shape[1] != projection.dimension:
            return nothing
        usable: NDArray[np.bool_] = np.asarray(np.isfinite(vectors).all(axis=1))
        if not usable.any():
            return nothing
        where: dict[tuple[str, ...], int] = {}
        cells = [
            where.setdefault(tuple(of.get(key, MISSING) for key in self.keys), len(where))
            for of in compress(sample.metadata, usable.tolist())
        ]
        features = projection.transform(vectors[usable]).astype(np.float64)
        return features, np.array(cells, np.int64)

    @cached_property
    def outcome_table(self) -> Floats | None:
        """(15, 3): labels, sum of confidence, number correct per confidence bin; None: no
        labels."""
        outcomes = self.baseline.outcomes
        if outcomes is None or outcomes.total_labels == 0:
            return None
        table: Floats = outcomes.table.sum(axis=0).astype(np.float64)
        table[:, 1] /= CONFIDENCE_UNIT
        return table

    def outcome_cells(self, keys: tuple[str, ...], cells: tuple[tuple[str, ...], ...]) -> Floats:
        """(C, 2): labels and number correct of each cell in the baseline; zeros where it has
        none."""
        out = np.zeros((len(cells), 2))
        outcomes = self.baseline.outcomes
        if outcomes is None or any(key not in outcomes.keys for key in keys):
            return out
        position = [outcomes.keys.index(key) for key in keys]
        totals = outcomes.table.sum(axis=1).astype(np.float64)
        where: dict[tuple[str, ...], list[int]] = {}
        for row, cell in enumerate(outcomes.cells):
            where.setdefault(tuple(cell[i] for i in position), []).append(row)
        for row, cell in enumerate(cells):
            mine = where.get(cell, [])
            out[row] = totals[mine][:, [0, 2]].sum(axis=0)
        return out


def _tables(
    known: NDArray[np.bool_],
    counts: Floats,
    moments: Floats,
    classes: Floats,
    features: Floats,
    embedded: Floats,
) -> CellTables:
    binned = counts[:, :, :-1]
    values = binned.sum(axis=2)
    pmf = binned / np.maximum(values, 1.0)[:, :, None]
    class_records = classes.sum(axis=1)
    mean = features / np.maximum(embedded, 1.0)[:, None]
    cdf = pmf.cumsum(axis=2)
    return CellTables(
        known=known,
        pmf=pmf,
        cdf=cdf,
        values=values,
        moments=moments[:, :, 0] / np.maximum(values, 1.0),
        ranks=ranks_of(pmf, cdf, values),
        classes=classes / np.maximum(class_records, 1.0)[:, None],
        class_records=class_records,
        feature_mean=mean,
        feature_spread=np.clip(1.0 - (mean**2).sum(axis=1), 1e-6, 1.0),
        embedded=embedded,
    )


_known: WeakValueDictionary[str, Reference] = WeakValueDictionary()
_latest: OrderedDict[str, Reference] = OrderedDict()
_lock = Lock()


def reference_of(baseline: Baseline) -> Reference:
    """The reference of a baseline, by content hash: one for as long as anyone holds it. The last
    32 are held here."""
    with _lock:
        found = _known.get(baseline.sha256)
        if found is None:
            found = _known[baseline.sha256] = Reference(baseline)
        _latest[baseline.sha256] = found
        _latest.move_to_end(baseline.sha256)
        while len(_latest) > 32:
            _latest.popitem(last=False)
        return found
