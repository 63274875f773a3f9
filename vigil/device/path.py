"""The way of records whose tensors are on a device: gathered, measured and summed there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from vigil.device import kernels
from vigil.device.block import Block, image_form, pieces_of
from vigil.device.call import DeviceCall
from vigil.device.capture import captures_left_alone
from vigil.device.flight import Flight, Rows, Segment, known_of, land, launch
from vigil.device.gathered import Gathered
from vigil.device.lane import Lane
from vigil.device.staging import Staging
from vigil.measuring.batch import RecordBatch
from vigil.measuring.summarise import sampling_hashes
from vigil.quality.frames import CAMERA_KEYS, Frames
from vigil.signals.predictions import OutputsAre
from vigil.windows.part import Part
from vigil.windows.ruler import Ruler

PATIENCE_S = 2.0
ARRAYS = ("images", "embeddings", "outputs")

RulerOf = Callable[[str, float], Ruler]
Drop = Callable[[str, int], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Ending:
    """A window whose sums are on their way to the host."""

    version: str
    start_s: float
    gathered: Gathered
    lane: Lane
    here: Any
    event: Any


class DevicePath:
    """Records in, parts of windows out; the caller never waits for the device.

    ``record`` runs in the caller's thread and copies the tensors, on their own device and stream,
    into a block. ``collect`` runs in the collector's thread: it measures full blocks on a stream
    of its own, and copies to the host, without waiting, a class and a confidence per record, the
    few records that may be sampled, and once a window its sums.

    Args:
        window_s: length of a window, seconds.
        measure: makes batches of what the host knows of calls, as
            ``vigil.measuring.measure.Measure.batch`` does.
        outputs_are: what outputs hold.
        sizes: records kept in a window, uniformly and by uncertainty.
        thumbnails: keep small copies of the sampled images.
        cameras: metadata keys that together name the camera of a frame.
        host_too: also take tensors of the CPU, for tests.
        compiled: measure with compiled functions (``vigil.device.kernels``).
        wake: called when there is something to collect.
    """

    def __init__(
        self,
        *,
        window_s: float,
        measure: Callable[..., RecordBatch],
        outputs_are: OutputsAre = "probabilities",
        sizes: tuple[int, int] = (32, 16),
        thumbnails: bool = False,
        cameras: Sequence[str] = CAMERA_KEYS,
        host_too: bool = False,
        compiled: bool = False,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._window_s, self._measure, self._outputs_are = window_s, measure, outputs_are
        self._sizes, self._thumbnails, self._wake = sizes, thumbnails, wake
        self._compiled, self._frames = compiled, Frames(cameras)
        self._staging = Staging(host_too=host_too)
        self._open: dict[tuple[Lane, str, int], Gathered] = {}
        self._flights: list[Flight] = []
        self._endings: list[_Ending] = []
        self.counts: Counter[str] = Counter()
        self.problem = ""

    def record(self, call: DeviceCall, arrays: Mapping[str, Any]) -> str:
        """Take the tensors of a call.

        Args:
            call: what the host knows: its arguments without images, embeddings and outputs.
            arrays: these three, None where not given.

        Returns:
            ``taken``; ``host``, where they are not for a device and go the host's way;
            ``capturing``, where a CUDA graph is being recorded, so that nothing was inferred;
            ``queue_full``, where the collector is behind.
        """
        answer = self._record(call, arrays)
        self.counts[answer] += len(call.ids)
        return answer

    def _record(self, call: DeviceCall, arrays: Mapping[str, Any]) -> str:
        images, embeddings, outputs = map(arrays.get, ARRAYS)
        pieces = pieces_of(images, embeddings, outputs, len(call.ids), thumbnails=self._thumbnails)
        if not pieces:
            return "host"
        lane = self._staging.lane_of(next(iter(pieces.values())).device)
        if lane is None:
            return "host"
        if lane.is_capturing():
            return "capturing"
        answer = self._staging.put(call, pieces, lane, image_form(images))
        if self._staging.has_full:
            self._wake()
        return {"full": "queue_full", "no_room": "host"}.get(answer, answer)

    def collect(
        self,
        now_s: float,
        *,
        ruler_of: RulerOf,
        drop: Drop,
        everything: bool = False,
        patience_s: float = PATIENCE_S,
    ) -> list[tuple[str, float, Part]]:
        """Measure what is full; give what ended by now, or ``everything``.

        Args:
            now_s: seconds since 1970.
            ruler_of: the ruler of a version's window at a time.
            drop: counts records that could not be recorded, by reason.
            everything: whether windows are closed before their end.
            patience_s: how long to wait for the device; what is not there comes next time.

        Returns:
            Version, a time in the window (its start), and what was measured.
        """
        until = time.monotonic() + patience_s
        horizon = int(now_s // self._window_s)
        ended = float("inf") if everything else horizon * self._window_s
        with captures_left_alone():
            for block in self._staging.take(lambda call: call.time_s < ended):
                with self._counted(block, drop):
                    self._launch(block, ruler_of, drop)
            self._land(until, drop)
            self._end(ended, drop)
            return self._ended(until, drop)

    @contextmanager
    def _counted(self, block: Block, drop: Drop) -> Iterator[None]:
        """What goes wrong with a block ends as a count, never as a dead collector."""
        try:
            yield
        except Exception as error:
            self._noted(drop)("error", block.filled, error)
            self._staging.give_back(block)

    def _noted(self, drop: Drop) -> Callable[[str, int, Exception], None]:
        def noted(reason: str, n: int, error: Exception) -> None:
            self.problem = f"{type(error).__name__}: {error}"
            drop(reason, n)

        return noted

    def _launch(self, block: Block, ruler_of: RulerOf, drop: Drop) -> None:
        known = known_of(block.calls, self._measure, self._noted(drop))
        if known is None:
            self._staging.give_back(block)
            return
        with block.lane.work(block.marks):
            segments = self._segments(block.lane, *known, ruler_of)
            using = kernels.compiled() if self._compiled else kernels.PLAIN
            self._flights.append(launch(block, segments, self._sizes, self._outputs_are, using))

    def _segments(
        self, lane: Lane, batch: RecordBatch, rows: Rows, ruler_of: RulerOf
    ) -> list[Segment]:
        hashes = sampling_hashes(batch.ids)
        index = np.floor(batch.time_s / self._window_s).astype(np.int64)
        segments = []
        for value in np.unique(index).tolist():
            at = np.flatnonzero(index == value)
            key = (lane, batch.version, value)
            if key not in self._open:
                self._open[key] = Gathered(
                    ruler_of(batch.version, value * self._window_s),
                    lane,
                    self._sizes,
                    keep_thumbnails=self._thumbnails,
                )
            gathered = self._open[key]
            part = batch if len(at) == len(batch) else batch.take(at)
            segments.append(
                Segment(
                    gathered=gathered,
                    batch=part,
                    rows=rows[at],
                    cells=gathered.rows_of(part),
                    hashes=hashes[at],
                )
            )
        return segments

    def _land(self, until: float, drop: Drop) -> None:
        """Take in what came back of the blocks under way, in order."""
        while self._flights:
            flight = self._flights[0]
            with self._counted(flight.block, drop):
                try:
                    if not flight.block.lane.wait(flight.event, _left(until)):
                        return
                except Exception:
                    flight.forget()
                    self._flights.pop(0)
                    raise
                self._flights.pop(0)
                flight.forget()
                land(flight, self._frames)
                self._staging.give_back(flight.block)

    def _end(self, ended: float, drop: Drop) -> None:
        """Start the copy of each window that ended and has nothing under way."""
        for key, gathered in list(self._open.items()):
            lane, version, value = key
            start_s = value * self._window_s
            if start_s >= ended or gathered.waiting:
                continue
            del self._open[key]
            if gathered.is_empty:  # nothing of it could be measured
                continue
            with self._lost(gathered, drop):
                with lane.work(()):
                    here, event = gathered.download(), lane.done()
                self._endings.append(_Ending(version, start_s, gathered, lane, here, event))

    def _ended(self, until: float, drop: Drop) -> list[tuple[str, float, Part]]:
        parts, endings, self._endings = [], self._endings, []
        for one in endings:
            with self._lost(one.gathered, drop):
                if one.lane.wait(one.event, _left(until)):
                    parts.append((one.version, one.start_s, one.gathered.part(one.here)))
                else:
                    self._endings.append(one)
        return parts

    @contextmanager
    def _lost(self, gathered: Gathered, drop: Drop) -> Iterator[None]:
        """A window that can't be fetched is a count, too."""
        try:
            yield
        except Exception as error:
            self._noted(drop)("error", gathered.records, error)


def _left(until: float) -> float:
    return max(0.0, until - time.monotonic())
