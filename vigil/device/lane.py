"""The way work takes to a device and back: a side stream of a GPU, or plain calls on the CPU."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vigil.device.tensors import Tensor, torch

POLL_S = 0.0002


class Lane(Protocol):
    """One device. ``mark`` and ``is_capturing`` are called by the caller's thread, the rest by
    the collector's."""

    device: Any

    def is_capturing(self) -> bool:
        """Whether the caller's stream records a CUDA graph instead of running."""

    def mark(self, marks: dict[int, Any], buffers: Iterable[Tensor]) -> None:
        """Into ``marks``, by stream, an event after what the caller's stream was given so far;
        ``buffers`` are what it was given to write."""

    def work(self, after: Sequence[Any]) -> contextlib.AbstractContextManager[None]:
        """What is launched inside runs beside the caller's stream, after these events."""

    def constant(self, values: NDArray[Any]) -> Tensor:
        """A table on the device; inside ``work``."""

    def table(self, name: Hashable, make: Callable[[], NDArray[Any]]) -> Tensor:
        """A constant that is made once and kept; inside ``work``."""

    def host(self, shape: Sequence[int], dtype: Any) -> Tensor:
        """Memory of the host that copies reach without waiting (pinned)."""

    def upload(self, there: Tensor, here: Tensor) -> None:
        """From ``host`` memory to the device; inside ``work``."""

    def download(self, here: Tensor, there: Tensor) -> None:
        """From the device to ``host`` memory; inside ``work``."""

    def done(self) -> Any:
        """An event after what was launched so far; inside ``work``."""

    def wait(self, event: Any, limit_s: float) -> bool:
        """Whether an event came to pass within so many seconds. Only the collector waits."""


class HostLane:
    """Tensors of the CPU: every call returns when its work is done."""

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self._tables: dict[Hashable, Tensor] = {}

    def is_capturing(self) -> bool:
        return False

    def mark(self, marks: dict[int, Any], buffers: Iterable[Tensor]) -> None:
        return None

    @contextlib.contextmanager
    def work(self, after: Sequence[Any]) -> Iterator[None]:
        with torch().inference_mode():
            yield

    def constant(self, values: NDArray[Any]) -> Tensor:
        return torch().tensor(values, device=self.device)

    def table(self, name: Hashable, make: Callable[[], NDArray[Any]]) -> Tensor:
        found = self._tables.get(name)
        if found is None:
            found = self._tables[name] = self.constant(make())
        return found

    def host(self, shape: Sequence[int], dtype: Any) -> Tensor:
        return torch().zeros(tuple(shape), dtype=dtype, device="cpu")

    def upload(self, there: Tensor, here: Tensor) -> None:
        there.copy_(here, non_blocking=True)

    def download(self, here: Tensor, there: Tensor) -> None:
        here.copy_(there, non_blocking=True)

    def done(self) -> Any:
        return None

    def wait(self, event: Any, limit_s: float) -> bool:
        return True


class CudaLane(HostLane):
    """One GPU, with a stream of its own beside the caller's streams."""

    def __init__(self, device: Any) -> None:
        super().__init__(device)
        self._stream: Any = None

    def is_capturing(self) -> bool:
        cuda = torch().cuda
        with cuda.device(self.device):
            return bool(cuda.is_current_stream_capturing())

    def mark(self, marks: dict[int, Any], buffers: Iterable[Tensor]) -> None:
        stream = torch().cuda.current_stream(self.device)
        event = marks.get(stream.cuda_stream)
        if event is None:
            event = marks[stream.cuda_stream] = torch().cuda.Event()
            for buffer in buffers:  # memory is not handed on while this stream writes to it
                buffer.record_stream(stream)
        event.record(stream)

    @contextlib.contextmanager
    def work(self, after: Sequence[Any]) -> Iterator[None]:
        cuda = torch().cuda
        if self._stream is None:
            self._stream = cuda.Stream(self.device)
        with cuda.device(self.device), cuda.stream(self._stream), torch().inference_mode():
            for event in after:
                self._stream.wait_event(event)
            yield

    def constant(self, values: NDArray[Any]) -> Tensor:
        pinned = torch().from_numpy(np.ascontiguousarray(values)).pin_memory()
        return pinned.to(self.device, non_blocking=True)

    def host(self, shape: Sequence[int], dtype: Any) -> Tensor:
        return torch().zeros(tuple(shape), dtype=dtype, device="cpu", pin_memory=True)

    def done(self) -> Any:
        return self._stream.record_event()

    def wait(self, event: Any, limit_s: float) -> bool:
        until = time.monotonic() + limit_s
        while not event.query():
            if time.monotonic() >= until:
                return False
            time.sleep(POLL_S)
        return True
