"""A tap without a sidecar: two daemon threads of this process measure and ship."""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vigil.measuring.measure import Measure
from vigil.pipeline.assemble import pipeline_of
from vigil.privacy.pictures import Pictures
from vigil.recording.inside import Inside
from vigil.recording.intake import Intake
from vigil.recording.on_device import DeviceOption, OnDevice
from vigil.ring.identity import Identity
from vigil.shipping.spool import DiskSpool, MemorySpool
from vigil.shipping.transport import Transport

DEFAULT_BYTES = 256 * 2**20


class Library:
    """One boot of a tap that does everything here.

    Args:
        identity: whose records these are.
        max_records, max_bytes: bounds of what waits to be measured.
        spool: folder of the windows that wait; None keeps them in memory.
        transport: the way to the service.
        measure: what calls are measured with.
        device: whether tensors of a GPU are measured there (``vigil.recording.on_device``).
        now_s: seconds since 1970.
        inside: the threads that are in the tap; a thread of ours is whenever it writes.
        pictures: what is kept of whole images.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        max_records: int,
        max_bytes: int,
        spool: Path | None,
        transport: Transport,
        measure: Measure,
        now_s: Callable[[], float],
        inside: Inside,
        device: DeviceOption = True,
        pictures: Pictures | None = None,
    ) -> None:
        self.intake = Intake(
            identity,
            folder=None,
            max_records=max_records,
            max_bytes=max_bytes,
            pictures=pictures,
        )
        self.pipeline = pipeline_of(
            identity,
            self.intake.memory,
            spool=MemorySpool() if spool is None else DiskSpool(spool),
            transport=transport,
            rulers=None if spool is None else spool / "rulers",
            measure=measure,
        )
        self.collecting = threading.Lock()
        self._pause_s = min(0.2, identity.window_s / 10)
        self._now_s, self._inside = now_s, inside
        self._wake, self._ship_wake = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._closed = self._stopped = False
        self.device = OnDevice(
            device,
            identity,
            measure,
            recorder=self.pipeline.recorder,
            rulers=self.pipeline.rulers,
            lose=self.intake.writer.lose,
            wake=self._wake.set,
            barred=lambda: self.pipeline.enforcer.asks,
        )
        self.pipeline.parts = self.device.parts

    def put(self, arguments: dict[str, Any], metadata: Any, n: int, *rest: Any) -> None:
        """As ``Intake.put``."""
        if self.device.put(arguments, metadata, n, *rest):
            pass
        elif not self.intake.put(arguments, metadata, n, *rest):
            self._wake.set()
        if not self._threads:
            self.start()

    def lose(self, reason: str, n: int) -> None:
        self.intake.writer.lose(reason, n)

    def label(self, rows: list[dict[str, Any]], now_s: float) -> int:
        """Labels; how many there was no room for."""
        return self.pipeline.add_labels(rows, now_s)

    def refuse_labels(self, n: int) -> None:
        self.pipeline.labels.refuse(n)

    def dropped(self) -> Counter[str]:
        return self.pipeline.dropped()

    def stats(self) -> dict[str, Any]:
        line, shipper = self.pipeline, self.pipeline.shipper
        return {
            "recorded": self.intake.writer.recorded + self.device.counts["taken"],
            "queued": self.intake.writer.waiting + self.intake.deferred,
            "windows": line.windows,
            "waiting": len(line.spool.entries()),
            "labels_waiting": len(line.labels),
            "labels_refused": line.labels.refused,
            "shipped": dict(shipper.counts),
            "set_aside": {k: v for k, v in line.spool.counts.items() if "spool" not in k},
            "rulers": dict(line.rulers.counts),
            "keys_differ": line.recorder.keys_differ,
            "device": dict(self.device.counts),
            "problem": shipper.problem or ("not_measured" if line.problem else ""),
            "last_error": shipper.last_error or line.problem or self.device.problem,
        }

    def flush(self, timeout_s: float) -> bool:
        """Close the open windows and wait until the service has everything; whether it has."""
        until = time.monotonic() + timeout_s
        if not self.collecting.acquire(timeout=max(0.0, timeout_s)):
            return False
        try:
            with self._inside.here():
                self.intake.settle(wait=True)
            self.pipeline.collect(self._now_s(), everything=True)
        finally:
            self.collecting.release()
        if not self._threads and not self._closed:
            self.start()
        while self.pipeline.spool.entries():
            self._ship_wake.set()
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True

    def close(self, timeout_s: float) -> None:
        """Flush as far as the time allows, say goodbye and stop."""
        self._closed = True
        self.pipeline.leaving = True
        with contextlib.suppress(Exception):
            self.flush(timeout_s)
        self._stopped = True
        self._wake.set()
        self._ship_wake.set()
        for thread in self._threads:
            thread.join(timeout=1.0)

    def leave_to_parent(self) -> None:
        """After a fork, in the child."""
        self.intake.leave_to_parent()
        self.device.leave_to_parent()

    def start(self) -> None:
        with self._starting:
            if self._threads or self._closed:
                return
            this = weakref.ref(self)
            self._threads = [
                threading.Thread(
                    target=_loop, args=(this, work, wake, pause), name=name, daemon=True
                )
                for name, work, wake, pause in (
                    ("vigil-collect", Library._collect, self._wake, self._pause_s),
                    ("vigil-ship", Library._ship, self._ship_wake, 0.1),
                )
            ]
            for thread in self._threads:
                thread.start()

    def _collect(self) -> None:
        with self.collecting:
            if not self._closed:
                with self._inside.here():
                    self.intake.settle()
                self.pipeline.collect(self._now_s())

    def _ship(self) -> None:
        while self.pipeline.ship():
            pass


def _loop(
    this: weakref.ref[Library],
    work: Callable[[Library], None],
    wake: threading.Event,
    pause_s: float,
) -> None:
    """Work now and then until the tap is closed or gone."""
    while True:
        wake.wait(pause_s)
        wake.clear()
        library = this()
        if library is None or library._stopped:
            return
        try:
            work(library)
        except Exception as error:
            library.pipeline.problem = f"{type(error).__name__}: {error}"
        del library
