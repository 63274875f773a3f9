"""Batches in, sealed windows out. No threads, no input or output, no clock of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vigil.build import NO_BUILD, Build
from vigil.measuring.batch import RecordBatch
from vigil.pipeline.open_window import OpenWindow
from vigil.privacy.rules import DEFAULT_PICTURE_BYTES
from vigil.types import ModelRef, utc
from vigil.values.files import within
from vigil.windows.part import Part
from vigil.windows.ruler import Ruler
from vigil.windows.sample import Sample
from vigil.windows.window import Window

MAX_HEARTBEATS = 10
MOST_PICTURES_BYTES = 8 * 2**20
"""Of whole pictures in one sample of a window."""
LATEST_S = 253_402_300_799.0  # the last second of the year 9999


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
        picture_bytes: a whole picture that needs more is left out.
        first_sequence: of the next window; more than 0 where this boot was recorded before.
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
        picture_bytes: int = DEFAULT_PICTURE_BYTES,
        first_sequence: int = 0,
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
        self._picture_bytes = picture_bytes
        self._open: dict[tuple[str, int], OpenWindow] = {}
        self._dropped: Counter[str] = Counter()
        self._sequence = first_sequence
        self._horizon_s = float("-inf")
        self._accounted: int | None = None
        self._recorded: set[int] = set()
        self._now_s: float | None = None
        self.dropped_total: Counter[str] = Counter()
        self.keys_differ = False
        self.pictures_left_out = 0

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

    def ruler_at(self, version: str, time_s: float) -> Ruler:
        """What the window of a version at this time is measured with: that of the open one."""
        part = self._open.get((version, int(np.floor(time_s / self._window_s))))
        return self._ruler(version) if part is None else part.ruler

    def add_summary(self, version: str, time_s: float, part: Part) -> list[Window]:
        """Count what a device measured of a version's window at this time.

        Returns:
            The window as it was so far, where that was measured with another ruler.
        """
        index = int(np.floor(time_s / self._window_s))
        if self._is_late(index):
            self.drop("late", len(part.ids))
            return []
        self._version = version
        if self._accounted is None:
            self._accounted = index - 1
        key, sealed = (version, index), []
        if key in self._open and self._open[key].ruler.id != part.ruler.id:
            old = self._open.pop(key)
            old.fold()
            sealed = [self._window(version, index, old)]
        if key not in self._open:
            self._open[key] = OpenWindow(part.ruler, self._sizes, self._keep_thumbnails)
        self._open[key].merge(part)
        self._recorded.add(index)
        return sealed

    def drop(self, reason: str, n: int) -> None:
        """Count n records that could not be recorded; the next window reports them."""
        if n > 0:
            self._dropped[reason] += n
            self.dropped_total[reason] += n

    def seal(self, now_s: float) -> list[Window]:
        """Everything that ended by now, and heartbeats for elapsed windows without a record."""
        sealed = self._seal_until(now_s)
        elapsed = int(np.floor(now_s / self._window_s)) - 1
        if self._accounted is None or elapsed < self._accounted - MAX_HEARTBEATS:
            self._accounted = elapsed  # the clock went back
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

    def parts(self) -> list[Window]:
        """The open windows as they would be if they ended now, for whoever must take over from
        here. Nothing changes: their numbers are given to other windows later."""
        sequence, dropped = self._sequence, Counter(self._dropped)
        windows = []
        for (version, index), part in sorted(self._open.items(), key=lambda item: item[0][::-1]):
            part.fold()
            windows.append(self._window(version, index, part))
        self._sequence, self._dropped = sequence, dropped
        return windows

    @property
    def sequence(self) -> int:
        """The number of the next window."""
        return self._sequence

    @property
    def dropped(self) -> dict[str, int]:
        """What the next window reports as dropped."""
        return dict(self._dropped)

    @property
    def version(self) -> str | None:
        """The version that heartbeats name."""
        return self._version

    def farewell(self, now_s: float) -> list[Window]:
        """The last window of this source, empty: it goes on purpose, and need not be missed."""
        if self._version is None:
            return []
        heartbeat = self._heartbeat(self._version, int(np.floor(now_s / self._window_s)))
        return [replace(heartbeat, final=True)]

    def _put(self, index: int, batch: RecordBatch) -> None:
        if self._is_late(index):
            self.drop("late", len(batch))
            return
        key = (batch.version, index)
        if key not in self._open:
            self._open[key] = OpenWindow(
                self._ruler(batch.version), self._sizes, self._keep_thumbnails
            )
        self._open[key].add(batch)
        self._recorded.add(index)

    def _is_late(self, index: int) -> bool:
        return (index + 1) * self._window_s <= self._horizon_s - self._late_s

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
        empty = OpenWindow(self._ruler(version), self._sizes, self._keep_thumbnails)
        return self._window(version, index, empty)

    def _window(self, version: str, index: int, part: OpenWindow) -> Window:
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
            sample=self._bounded(part.sample),
            informative=self._bounded(part.informative),
            ledger=part.ledger(),
            dropped=dropped,
            build=self._build,
            quality=part.quality,
        )

    def _bounded(self, sample: Sample) -> Sample:
        """With no more of whole pictures than a window may carry."""
        if not sample.pictures:
            return sample
        kept = within(sample.pictures, each=self._picture_bytes, total=MOST_PICTURES_BYTES)
        left_out = sum(map(bool, sample.pictures)) - sum(map(bool, kept))
        self.pictures_left_out += left_out
        return replace(sample, pictures=kept) if left_out else sample
