"""The latest readings of GPU and host, kept up to date beside the model.

from vigil.hardware.reader import HardwareReader
from vigil.hardware.signals import HARDWARE_SIGNALS

hardware = HardwareReader()
tap = Tap("reader", "v1", signals=HARDWARE_SIGNALS)
tap.record(outputs=outputs, signals=hardware.latest())
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from vigil.hardware.gpu import GpuReader
from vigil.hardware.host import HostReader

log = logging.getLogger("vigil")
LEAST_S = 1.0
STALE_AFTER = 10


class HardwareReader:
    """Reads in a daemon thread, at most once a second; ``latest`` only looks at what it read.

    The thread starts with the first call of ``latest``, also in a child after a fork.

    Args:
        every_s: between two readings, 1 or more.
        gpu, host: what reads; by default those of this machine. A machine without a GPU is told
            once in the log, and has the host's readings.
        monotonic: a clock that only goes forward, seconds.

    Raises:
        ValueError: readings more often than once a second.
    """

    def __init__(
        self,
        *,
        every_s: float = LEAST_S,
        gpu: Callable[[], GpuReader] = GpuReader,
        host: Callable[[], HostReader] = HostReader,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not every_s >= LEAST_S:
            raise ValueError(f"every_s: expected {LEAST_S:g} or more, found {every_s:g}")
        self._every_s, self._monotonic = every_s, monotonic
        self._new_gpu, self._new_host = gpu, host
        self._lock = threading.Lock()
        self._process = 0
        self._latest: tuple[float, Mapping[str, float]] = (-float("inf"), {})
        self.problem = ""

    def latest(self) -> Mapping[str, float]:
        """Name -> value, as ``Tap.record`` takes it for ``signals``. Empty before the first
        reading, and when the readings are ten rounds old. Never waits for the hardware."""
        if self._process != os.getpid():
            self._start()
        at_s, readings = self._latest
        return readings if self._monotonic() - at_s <= STALE_AFTER * self._every_s else {}

    def read(self) -> Mapping[str, float]:
        """Read now, in this thread."""
        return self._read(self._new_gpu(), self._new_host())

    def _start(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            self._process = os.getpid()
            self._latest = (-float("inf"), {})
            threading.Thread(target=self._run, name="vigil-hardware", daemon=True).start()

    def _run(self) -> None:
        gpu, host = self._new_gpu(), self._new_host()
        self.problem = gpu.problem
        if gpu.problem:
            log.info("no readings of a GPU: %s", gpu.problem)
        while True:
            try:
                self._latest = (self._monotonic(), self._read(gpu, host))
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
            time.sleep(self._every_s)

    def _read(self, gpu: GpuReader, host: HostReader) -> Mapping[str, float]:
        return {**host.read(), **gpu.read()}
