"""What happens behind the ring, step by step: calls to windows, windows to the spool, spool to
service. No threads here; a tap's two threads, or a sidecar's, call ``collect`` and ``ship``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vigil.errors import ShapeError
from vigil.measuring.batch import RecordBatch
from vigil.measuring.coalesce import arguments_of, groups
from vigil.measuring.measure import Measure
from vigil.pipeline.drain import Drain
from vigil.pipeline.journal import Blobs, Journal, State
from vigil.pipeline.recorder import Recorder
from vigil.pipeline.rulers import RulerCache
from vigil.pipeline.waiting_labels import WaitingLabels
from vigil.privacy.enforce import Enforcer
from vigil.privacy.guard import NO_CONSENT
from vigil.ring.calls import Call
from vigil.ring.mark import Mark
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.shipper import Shipper
from vigil.shipping.spool import Entry, Spool
from vigil.windows import wire
from vigil.windows.part import Part
from vigil.windows.window import Window

LABELS_AT_ONCE = 1000
GRACE_S = 0.25
PAUSE_S = 0.5
PAUSE_SHARE = 10.0
NO_JOURNAL_PAUSE_S = 5.0


class Pipeline:
    """One boot of a tap.

    In the tap's own process the ring is given back as soon as a call was measured. With a journal
    it is given back when the journal holds what was measured, so that this process may be killed.

    Args:
        drain: the ring.
        rulers, measure: what calls are measured with.
        recorder: makes the recorder, given the rulers.
        spool, shipper: where windows wait, and what empties it.
        monotonic: a clock, seconds.
        journal: survives this process; with ``state``, what an earlier one left there.
    """

    def __init__(
        self,
        *,
        drain: Drain,
        rulers: RulerCache,
        recorder: Callable[[Callable[[str], Any]], Recorder],
        spool: Spool,
        shipper: Shipper,
        measure: Measure,
        monotonic: Callable[[], float],
        journal: Journal | None = None,
        state: State | None = None,
    ) -> None:
        before = state or State()
        self.drain, self.rulers, self.spool, self.shipper = drain, rulers, spool, shipper
        self.recorder = recorder(lambda version: rulers.get(version, monotonic()))
        self.recorder.dropped_total.update(before.totals)
        for reason, n in before.dropped.items():
            self.recorder.drop(reason, n)
            self.recorder.dropped_total[reason] -= n
        self.measure = measure
        self.windows = before.windows
        self.records = 0
        self.problem = ""
        self.leaving = False
        self.labels = WaitingLabels(before.labels, before.labels_refused)
        self._prefix = f"{drain.identity.source}.{drain.identity.boot}."
        self.enforcer = Enforcer(lambda: rulers.policy, self._prefix)
        self._boot, self._window_s = drain.identity.boot, drain.identity.window_s
        self._monotonic = monotonic
        self._order, self._label_sequence = before.order, before.label_sequence
        self._journal = journal
        self._sealed: Blobs = [*before.sealed, *before.open]
        self._mark = drain.mark
        self._next_s = 0.0
        drain.on_labels = self._take_labels
        self._now_s = 0.0
        self.parts: Callable[[float, bool], Iterable[tuple[str, float, Part]]] = _no_parts
        """Gives what was measured on devices, of windows that ended by a time or of all."""

    def collect(self, now_s: float, *, everything: bool = False, writer_lives: bool = True) -> None:
        """Turn what is in the ring into windows; spool what has ended, or ``everything``.

        Raises:
            CutError: the ring can't be read any more; see ``abandon``.
        """
        self._now_s = now_s
        labels = self.labels.calls  # those that come later may be of records that come later
        grace_s = min(GRACE_S, self._window_s / 10)
        for version, time_s, part in self.parts(now_s - grace_s, everything):
            self._seal(self.recorder.add_summary(version, time_s, self.enforcer.part(part)))
            self.records += len(part.ids)
        for group in groups(self._calls(writer_lives)):
            self._seal(self._windows_of(group))
            self._passed(group[-1].mark)
        if self._journal is not None:
            labels = self.labels.calls  # they came through the ring, behind their records
        for reason, n in self.drain.lost(forget=True).items():
            self.recorder.drop(reason, n)
        self._passed(self.drain.mark)
        self._seal(self.recorder.seal(now_s - grace_s))
        if everything:
            self._seal(self.recorder.close(now_s))
            if self.leaving:
                self._seal(self.recorder.farewell(now_s))
        sealed = float("inf") if everything else (now_s - grace_s) // self._window_s
        self._seal_labels(self.labels.take(labels, sealed))
        self._commit(now=everything)

    def abandon(self, now_s: float) -> None:
        """Without touching the ring: what was measured ends now, and what was not is ``torn``."""
        self._now_s = now_s
        self.recorder.drop("torn", max(1, self.drain.reader.after(self._mark)))
        self._seal(self.recorder.close(now_s))
        self._seal_labels(self.labels.take(self.labels.calls, float("inf")))
        if self._journal is not None:
            self._write_journal(self._mark)
        self._spool()

    def ship(self) -> bool:
        """Send one request; whether there may be more to do at once."""
        self.rulers.refresh(self._monotonic())
        return self.shipper.step(self._monotonic())

    def add_labels(self, labels: list[dict[str, Any]], now_s: float) -> int:
        """Keep labels for later; how many there was no room for."""
        known = self.enforcer.labels(labels, now_s, self._prefix)
        return self.labels.add(known, int(now_s // self._window_s))

    def dropped(self) -> Counter[str]:
        """Records that did not reach a window, or whose window was lost, by reason."""
        found = self.recorder.dropped_total + self.drain.lost()
        if self._journal is None:  # else the spool is not ours alone
            found.update({k: v for k, v in self.spool.counts.items() if k.startswith("spool_")})
        return found

    @property
    def unsaved(self) -> int:
        """Windows and labels that are in memory and, with one, in the journal."""
        held = self.spool.unsaved() if isinstance(self.spool, SafeSpool) else []
        return len(self._sealed) + sum(entry.boot == self._boot for entry, _ in held)

    def _calls(self, writer_lives: bool) -> Iterator[Call]:
        """What is in the ring by now: who writes on meanwhile must not keep us here."""
        end = self.drain.reader.head
        while self.drain.mark.position < end:
            call = self.drain.take(writer_lives=writer_lives)
            if call is None:
                return
            yield call

    def _take_labels(self, labels: list[dict[str, Any]]) -> None:
        self.labels.refuse(self.add_labels(labels, self._now_s))

    def _windows_of(self, group: list[Call]) -> list[Window]:
        n = sum(len(call.ids) for call in group)
        try:
            batch = self._allowed(self.measure.batch(**arguments_of(group)))
            self.rulers.learn(batch, self.measure.own)
        except Exception as error:
            # Whatever a caller sent must end as a count, never as a dead thread, and must not
            # cost the calls that happen to be measured with it.
            if len(group) > 1:
                return [window for call in group for window in self._windows_of([call])]
            self.problem = f"{type(error).__name__}: {error}"
            self.recorder.drop("bad_shape" if isinstance(error, ShapeError) else "error", n)
            return []
        try:
            windows = self.recorder.add(batch)
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            self.recorder.drop("error", n)
            return []
        self.records += len(batch)
        return windows

    def _allowed(self, batch: RecordBatch) -> RecordBatch:
        """The batch as the service's privacy allows it, which comes with the first ruler."""
        if not self.enforcer.knows:
            self.rulers.get(batch.version, self._monotonic())
        batch, dropped = self.enforcer.apply(batch)
        self.recorder.drop(NO_CONSENT, dropped)
        return batch

    def _seal(self, windows: list[Window]) -> None:
        for window in windows:
            pair = self._blob(window)
            if pair is None:
                continue
            self.windows += 1
            self._sealed.append(pair)
        if self._journal is None:
            self._spool()

    def _blob(self, window: Window, *, level: int = 1) -> tuple[Entry, bytes] | None:
        records = window.summary.total_records
        try:
            blob = window.to_bytes(level=level)
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            self.recorder.drop("error", records)
            return None
        return self._entry("window", window.sequence, records), blob

    def _seal_labels(self, ready: list[dict[str, Any]]) -> None:
        for start in range(0, len(ready), LABELS_AT_ONCE):
            rows = ready[start : start + LABELS_AT_ONCE]
            entry = self._entry("labels", self._label_sequence, len(rows))
            self._label_sequence += 1
            self._sealed.append((entry, wire.pack({"what": "labels", "labels": rows}, {})))
        if self._journal is None:
            self._spool()

    def _entry(self, kind: str, sequence: int, records: int) -> Entry:
        # Strictly rising within a boot, and by time across boots that share a folder.
        self._order = max(self._order + 1, int(self._now_s * 1e6))
        return Entry(self._order, kind, self._boot, sequence, records)

    def _spool(self) -> None:
        sealed, self._sealed = self._sealed, []
        for entry, blob in sealed:
            self.spool.put(entry, blob)

    def _passed(self, mark: Mark) -> None:
        """What was before the mark has been measured."""
        if self._journal is None:
            self.drain.release(mark)
            return
        self._mark = mark
        reader = self.drain.reader
        if reader.waiting_bytes > reader.memory.capacity // 4:
            self._commit(now=True)

    def _commit(self, *, now: bool) -> None:
        """Write the journal where there is something new, spool what was sealed, and give the ring
        back. The larger the journal, the longer the pause until the next one."""
        if self._journal is None:
            return
        started = self._monotonic()
        mark = self._mark
        is_new = bool(self._sealed) or mark.position != self.drain.reader.released
        if not is_new or (not now and not self._sealed and started < self._next_s):
            return
        pause_s = PAUSE_S
        self.drain.reader.check()  # what another took over has another journal
        if not self._write_journal(mark):
            # Nowhere to write open windows down: they end now, so that the ring can be given back.
            self._seal(self.recorder.close(self._now_s))
            pause_s = NO_JOURNAL_PAUSE_S
        self.drain.reader.sequence = self.recorder.sequence
        self._spool()
        self.drain.release(mark)
        self.drain.reader.tell(self.recorder.dropped_total, self.labels.refused)
        spent = self._monotonic() - started
        self._next_s = self._monotonic() + max(pause_s, PAUSE_SHARE * spent)

    def _write_journal(self, mark: Mark) -> bool:
        assert self._journal is not None
        held = self.spool.unsaved() if isinstance(self.spool, SafeSpool) else []
        ours = [pair for pair in held if pair[0].boot == self._boot]
        order = self._order
        parts = [self._blob(window, level=0) for window in self.recorder.parts()]
        written = self._journal.write(
            State(
                position=mark.position,
                sequence=self.recorder.sequence + len(parts),
                label_sequence=self._label_sequence,
                order=self._order,
                windows=self.windows,
                labels_refused=self.labels.refused,
                version=self.recorder.version,
                forgotten=self.drain.reader.forgotten,
                dropped=self.recorder.dropped if not parts else {},
                totals=dict(self.recorder.dropped_total),
                labels=self.labels.kept,
                sealed=[*ours, *self._sealed],
                open=[part for part in parts if part is not None],
            )
        )
        self._order = order
        return written


def _no_parts(now_s: float, everything: bool) -> Iterable[tuple[str, float, Part]]:
    return ()
