"""Batches in, sealed windows out. No threads, no input or output, no clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vigil.batch import RecordBatch
from vigil.build import NO_BUILD, Build
from vigil.catalogue import SCALAR_NAMES
from vigil.conform import Shape
from vigil.ruler import Ruler
from vigil.sample import Sample
from vigil.summarise import hashes_of, sample_of, summarise
from vigil.summary import Summary
from vigil.types import ModelRef, utc
from vigil.window import EMPTY_LEDGER, Ledger, Window

FOLD_RECORDS = 4096
FOLD_BYTES = 32 * 2**20
MAX_HEARTBEATS = 10
LATEST_S = 253_402_300_799.0  # the last second of the year 9999

_CONFIDENCE = SCALAR_NAMES.index("confidence")


class Recorder:
    """Collects the windows of one source.

    Windows lie at whole multiples of ``window_s`` since 1970; each model version has its own. A
    ruler is asked for when a window opens and holds until it closes, so two rulers never mix.
    Records of a window that was sealed already make another window of the same time, up to
    ``late_s`` after its end; later ones are dropped and counted.

    Args:
        model: the model's name.
        deployment: where it runs.
        source: this replica.
        boot: this start of it; with ``sequence`` it identifies a window.
        keys: the metadata keys that the caller declares. The ruler's own keys are what is counted;
            ``keys_differ`` says so where they are others. ``dropped_total``: records
            dropped so far, by reason.
        window_s: length of a window, seconds.
        rulers: the ruler of a version.
        version: the version that heartbeats name until a record names another.
        sample_size: records kept uniformly in a window.
        informative_size: records kept by uncertainty.
        keep_thumbnails: whether the samples hold thumbnails.
        late_s: how late a record may be, seconds.
        build: how the model is run here.
    """

    def __init__(
        self,
        *,
        model: str,
        deployment: str,
        source: str,
        boot: str,
        keys: Sequence[str],
        window_s: float,
        rulers: Callable[[str], Ruler],
        version: str | None = None,
        sample_size: int = 32,
        informative_size: int = 16,
        keep_thumbnails: bool = False,
        late_s: float = 3600.0,
        build: Build = NO_BUILD,
    ) -> None:
        if not window_s > 0:
            raise ValueError(f"window_s: expected more than 0, found {window_s}")
        self._model, self._deployment = model, deployment
        self._source, self._boot = source, boot
        self._keys, self._window_s = tuple(keys), float(window_s)
        self._rulers = rulers
        self._version = version
        self._sizes = (sample_size, informative_size)
        self._keep_thumbnails = keep_thumbnails
        self._late_s = late_s
        self._build = build
        self._open: dict[tuple[str, int], _Open] = {}
        self._dropped: Counter[str] = Counter()
        self._sequence = 0
        self._horizon_s = float("-inf")
        self._accounted: int | None = None
        self._recorded: set[int] = set()
        self._now_s: float | None = None
        self.dropped_total: Counter[str] = Counter()
        self.keys_differ = False

    def add(self, batch: RecordBatch) -> list[Window]:
        """Count a batch; returns the windows that ended before it."""
        usable = np.isfinite(batch.time_s) & (batch.time_s >= 0) & (batch.time_s < LATEST_S)
        if not usable.all():
            self.drop("bad_time", int((~usable).sum()))
            batch = batch.take(np.flatnonzero(usable))
        if not len(batch):
            return []
        self._version = batch.version
        index = np.floor(batch.time_s / self._window_s).astype(np.int64)
        sealed = self._seal_until(max(self._horizon_s, float(batch.time_s.min())))
        if self._accounted is None:
            self._accounted = int(index.min()) - 1
        if index[0] == index[-1] and (index == index[0]).all():
            self._put(int(index[0]), batch)
        else:
            for value in np.unique(index):
                self._put(int(value), batch.take(np.flatnonzero(index == value)))
        return sealed + self._seal_until(self._horizon_s)

    def drop(self, reason: str, n: int) -> None:
        """Count n records that could not be recorded; the next window reports them."""
        if n > 0:
            self._dropped[reason] += n
            self.dropped_total[reason] += n

    def seal(self, now_s: float) -> list[Window]:
        """Everything that ended by now, and heartbeats for elapsed windows without a record."""
        sealed = self._seal_until(now_s)
        elapsed = int(np.floor(now_s / self._window_s)) - 1
        if self._accounted is None:
            self._accounted = elapsed
        first = max(self._accounted + 1, elapsed - MAX_HEARTBEATS + 1)
        if self._version is not None:
            sealed += [
                self._heartbeat(self._version, index)
                for index in range(first, elapsed + 1)
                if index not in self._recorded
            ]
        self._accounted = max(self._accounted, elapsed)
        self._recorded = {index for index in self._recorded if index > self._accounted}
        return sealed

    def close(self, now_s: float | None = None) -> list[Window]:
        """Everything, ended or not; drops that no window reported yet come as a heartbeat.

        A window that has not ended yet is cut short at ``now_s`` where that is given.
        """
        self._now_s = now_s
        sealed = self._seal_until(float("inf"))
        if self._dropped and self._version is not None and np.isfinite(self._horizon_s):
            index = int(np.floor(self._horizon_s / self._window_s))
            sealed.append(self._heartbeat(self._version, index))
        self._now_s = None
        return sealed

    def farewell(self, now_s: float) -> list[Window]:
        """The last window of this source, empty: it goes on purpose, and need not be missed."""
        if self._version is None:
            return []
        heartbeat = self._heartbeat(self._version, int(np.floor(now_s / self._window_s)))
        return [replace(heartbeat, final=True)]

    def _put(self, index: int, batch: RecordBatch) -> None:
        if (index + 1) * self._window_s <= self._horizon_s - self._late_s:
            self.drop("late", len(batch))
            return
        key = (batch.version, index)
        if key not in self._open:
            self._open[key] = _Open(self._ruler(batch.version), self._sizes, self._keep_thumbnails)
        self._open[key].add(batch)
        self._recorded.add(index)

    def _ruler(self, version: str) -> Ruler:
        ruler = self._rulers(version)
        self.keys_differ = ruler.layout.keys != self._keys
        return ruler

    def _seal_until(self, horizon_s: float) -> list[Window]:
        if np.isfinite(horizon_s):
            self._horizon_s = horizon_s
        ended = sorted(
            (index, version)
            for version, index in self._open
            if (index + 1) * self._window_s <= horizon_s
        )
        windows = []
        for index, version in ended:
            part = self._open.pop((version, index))
            part.fold()
            windows.append(self._window(version, index, part))
        return windows

    def _heartbeat(self, version: str, index: int) -> Window:
        empty = _Open(self._ruler(version), self._sizes, self._keep_thumbnails)
        return self._window(version, index, empty)

    def _window(self, version: str, index: int, part: _Open) -> Window:
        sequence, self._sequence = self._sequence, self._sequence + 1
        dropped, self._dropped = dict(self._dropped), Counter()
        start_s, end_s = index * self._window_s, (index + 1) * self._window_s
        if self._now_s is not None and start_s < self._now_s < end_s:
            end_s = self._now_s
        return Window(
            source=self._source,
            boot=self._boot,
            sequence=sequence,
            model=ModelRef(name=self._model, version=version, deployment=self._deployment),
            start=utc(start_s),
            end=utc(end_s),
            ruler=part.ruler.id,
            summary=part.summary,
            sample=part.sample,
            informative=part.informative,
            ledger=part.ledger(),
            dropped=dropped,
            build=self._build,
        )


class _Open:
    """A window that still grows. Batches wait and are summed together, which costs far less than
    one by one; ``fold`` sums what waits."""

    def __init__(self, ruler: Ruler, sizes: tuple[int, int], keep_thumbnails: bool) -> None:
        self.ruler = ruler
        self.summary = Summary.empty(ruler.layout)
        self.sample = Sample.empty()
        self.informative = Sample.empty()
        self._sizes, self._keep_thumbnails = sizes, keep_thumbnails
        self._shape = Shape()
        self._waiting: list[RecordBatch] = []
        self._waiting_records = self._waiting_bytes = 0
        self._ledgers: list[Ledger] = []
        self._ids: list[str] = []
        self._custom_ids = False

    def add(self, batch: RecordBatch) -> None:
        self._waiting.append(batch)
        self._waiting_records += len(batch)
        self._waiting_bytes += (
            batch.embedding.nbytes + batch.probabilities.nbytes + batch.thumbnails.nbytes
        )
        if self._waiting_records >= FOLD_RECORDS or self._waiting_bytes >= FOLD_BYTES:
            self.fold()

    def fold(self) -> None:
        if not self._waiting:
            return
        shape = self._shape.learn(self._waiting, self.ruler)
        batch = RecordBatch.concatenate([shape.fit(part) for part in self._waiting])
        self._waiting, self._waiting_records, self._waiting_bytes = [], 0, 0
        summary, rows, batch = summarise(batch, self.ruler, known=self.summary.cells)
        self.summary = _grown(self.summary, summary)
        confidence = batch.signals[:, _CONFIDENCE].astype(np.float32)
        self._ledgers.append(
            Ledger(
                counter=batch.counter,
                cell=rows.astype(np.uint16),
                prediction=batch.prediction,
                confidence=confidence,
            )
        )
        self._ids.extend(batch.ids)
        self._custom_ids |= batch.custom_ids
        self._sample(batch, shape)

    def _sample(self, batch: RecordBatch, shape: Shape) -> None:
        hashes = hashes_of(batch)
        new = [
            sample_of(
                batch, k=k, weighted=weighted, keep_thumbnails=self._keep_thumbnails, hashes=hashes
            )
            for k, weighted in zip(self._sizes, (False, True), strict=True)
        ]
        if len(self._ledgers) == 1:
            self.sample, self.informative = new
        else:
            keep = self._keep_thumbnails
            old = [self.sample, self.informative]
            if shape != self._shape:
                old = [shape.fit_sample(sample, keep_thumbnails=keep) for sample in old]
            self.sample, self.informative = (
                Sample.merge(pair, k) for *pair, k in zip(old, new, self._sizes, strict=True)
            )
        self._shape = shape

    def ledger(self) -> Ledger:
        if not self._ledgers:
            return EMPTY_LEDGER
        return Ledger(
            ids=tuple(self._ids) if self._custom_ids else (),
            **{
                name: np.concatenate([getattr(part, name) for part in self._ledgers])
                for name in ("counter", "cell", "prediction", "confidence")
            },
        )


def _grown(old: Summary, new: Summary) -> Summary:
    """The sum of two summaries where the cells of ``new`` start with those of ``old``."""
    if not old.cells:
        return new
    count = len(old.cells)
    for name in ("records", "counts", "moments", "classes", "embedded", "features"):
        getattr(new, name)[:count] += getattr(old, name)
    return new
