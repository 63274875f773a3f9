"""What happens behind the tap, step by step: calls to windows, windows to the spool, spool to
service. No threads here; the tap's two threads call ``collect`` and ``ship``."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from vigil import wire
from vigil.coalesce import arguments_of, groups
from vigil.errors import ShapeError
from vigil.intake import Call, Intake
from vigil.measure import Measure
from vigil.recorder import Recorder
from vigil.rulers import RulerCache
from vigil.shipping.shipper import Shipper
from vigil.shipping.spool import Entry, Spool
from vigil.window import Window

LABELS_AT_ONCE = 1000
MAX_LABELS = 100_000
GRACE_S = 0.25


class Pipeline:
    """One boot of a tap.

    Labels wait until the windows that were open when they came have been spooled, so that the
    service knows their records.
    """

    def __init__(
        self,
        *,
        boot: str,
        window_s: float,
        intake: Intake,
        rulers: RulerCache,
        recorder: Callable[[Callable[[str], Any]], Recorder],
        spool: Spool,
        shipper: Shipper,
        measure: Measure,
        monotonic: Callable[[], float],
    ) -> None:
        self.intake, self.rulers, self.spool, self.shipper = intake, rulers, spool, shipper
        self.recorder = recorder(lambda version: rulers.get(version, monotonic()))
        self.windows = 0
        self.problem = ""
        self.labels_refused = 0
        self._boot, self._window_s = boot, window_s
        self.measure = measure
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._labels: list[tuple[int, list[dict[str, Any]]]] = []
        self._order = 0
        self._label_sequence = 0
        self.leaving = False

    def collect(self, now_s: float, *, everything: bool = False) -> None:
        """Turn waiting calls into windows; spool what has ended, or ``everything``."""
        labels = len(self._labels)  # those that come later may be of records that come later
        for group in groups(iter(self.intake.take, None)):
            try:
                self._spool(self._windows_of(group), now_s)
            finally:
                self.intake.release(
                    sum(len(call.ids) for call in group), sum(call.size for call in group)
                )
        for reason, n in self.intake.lost(forget=True).items():
            self.recorder.drop(reason, n)
        grace_s = min(GRACE_S, self._window_s / 10)
        self._spool(self.recorder.seal(now_s - grace_s), now_s)
        if everything:
            self._spool(self.recorder.close(now_s), now_s)
            if self.leaving:
                self._spool(self.recorder.farewell(now_s), now_s)
        sealed = float("inf") if everything else (now_s - grace_s) // self._window_s
        self._spool_labels(now_s, labels, sealed)

    def ship(self) -> bool:
        """Send one request; whether there may be more to do at once."""
        self.rulers.refresh(self._monotonic())
        return self.shipper.step(self._monotonic())

    def add_labels(self, labels: list[dict[str, Any]], now_s: float) -> int:
        """Keep labels for later; how many there was no room for."""
        with self._lock:
            room = max(0, MAX_LABELS - self.labels_waiting)
            if labels[:room]:
                self._labels.append((int(now_s // self._window_s), labels[:room]))
        return max(0, len(labels) - room)

    def refuse_labels(self, n: int) -> None:
        with self._lock:
            self.labels_refused += n

    @property
    def labels_waiting(self) -> int:
        return sum(len(labels) for _, labels in self._labels)

    def dropped(self) -> Counter[str]:
        """Records that did not reach a window, or whose window was lost, by reason."""
        spooled = Counter({k: v for k, v in self.spool.counts.items() if k.startswith("spool_")})
        return self.recorder.dropped_total + self.intake.lost() + spooled

    def _windows_of(self, group: list[Call]) -> list[Window]:
        n = sum(len(call.ids) for call in group)
        try:
            for call in group:
                call.wait()
            batch = self.measure.batch(**arguments_of(group))
            if self.rulers.classes == 0:
                self.rulers.classes = min(batch.probabilities.shape[1], 1000)
        except Exception as error:
            # Whatever a caller sent must end as a count, never as a dead thread, and must not
            # cost the calls that happen to be measured with it.
            if len(group) > 1:
                return [window for call in group for window in self._windows_of([call])]
            self.problem = f"{type(error).__name__}: {error}"
            self.recorder.drop("bad_shape" if isinstance(error, ShapeError) else "error", n)
            return []
        try:
            return self.recorder.add(batch)
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            self.recorder.drop("error", n)
            return []

    def _spool(self, windows: list[Window], now_s: float) -> None:
        for window in windows:
            records = window.summary.total_records
            try:
                blob = window.to_bytes()
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
                self.recorder.drop("error", records)
                continue
            self.windows += 1
            self.spool.put(self._entry("window", window.sequence, records, now_s), blob)

    def _spool_labels(self, now_s: float, count: int, sealed: float) -> None:
        """Of the oldest ``count``, those that came in windows before number ``sealed``.

        A record comes before its label, so it is in no later window.
        """
        with self._lock:
            old, rest = self._labels[:count], self._labels[count:]
            ready = [label for number, labels in old if number < sealed for label in labels]
            self._labels = [one for one in old if one[0] >= sealed] + rest
        for start in range(0, len(ready), LABELS_AT_ONCE):
            rows = ready[start : start + LABELS_AT_ONCE]
            entry = self._entry("labels", self._label_sequence, len(rows), now_s)
            self._label_sequence += 1
            self.spool.put(entry, wire.pack({"what": "labels", "labels": rows}, {}))

    def _entry(self, kind: str, sequence: int, records: int, now_s: float) -> Entry:
        # Strictly rising within a boot, and by time across boots that share a folder.
        self._order = max(self._order + 1, int(now_s * 1e6))
        return Entry(self._order, kind, self._boot, sequence, records)
