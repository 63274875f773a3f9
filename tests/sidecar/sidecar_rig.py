"""A tap and a sidecar in one process, and what arrived of what was recorded."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from monitor.sidecar.sidecar import Sidecar
from vigil import Tap
from vigil.clock import ManualClock
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.transport import MemoryTransport, Transport
from vigil.types import utc
from vigil.windows.window import Window

START = 1_700_000_040.0
RING_BYTES = 256 * 1024


class Rig:
    """Rings in ``folder``, a spool beside them, one clock for all."""

    def __init__(self, folder: Path, transport: Transport | None = None) -> None:
        self.folder, self.spool = folder, folder.parent / "spool"
        self.transport = transport or MemoryTransport()
        self.clock = ManualClock(utc(START))
        self.taps: list[Tap] = []

    def tap(self, model: str = "reader", version: str | None = "v1", **more: Any) -> Tap:
        given = {"sidecar": self.folder, "clock": self.clock, "queue_bytes": RING_BYTES, **more}
        tap = Tap(model, version, **given)
        self.taps.append(tap)
        return tap

    def sidecar(
        self,
        sync: Callable[[int], None] = os.fsync,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Sidecar:
        return Sidecar(
            self.folder,
            spool=SafeSpool(self.spool, sync=sync),
            transport=self.transport,
            rulers=self.spool / "rulers",
            seed="s",
            now_s=lambda: self.clock.now().timestamp(),
            monotonic=monotonic,
        )

    def step(self, sidecar: Sidecar) -> None:
        """As often as it takes to see new rings and to let go of old ones."""
        for _ in range(3):
            sidecar._look_s = float("-inf")
            sidecar.step()

    def ship(self, sidecar: Sidecar) -> None:
        while sidecar.ship():
            pass

    def windows(self) -> list[Window]:
        assert isinstance(self.transport, MemoryTransport)
        return [Window.from_bytes(blob) for blob in self.transport.windows.values()]

    def close(self) -> None:
        for tap in self.taps:
            tap.close()


def record(tap: Tap, n: int, **more: Any) -> Any:
    return tap.record(outputs=np.full((n, 4), 0.25, np.float32), **more)


def counted(windows: list[Window]) -> Counter[tuple[str, int]]:
    """How often each record is in a window, by boot and number."""
    return Counter(
        (window.boot, int(number)) for window in windows for number in window.ledger.counter
    )


def told(windows: list[Window]) -> Mapping[str, int]:
    """What the windows say was dropped."""
    dropped: Counter[str] = Counter()
    for window in windows:
        dropped.update(window.dropped)
    return dropped
