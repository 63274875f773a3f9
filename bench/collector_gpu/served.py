"""A model that serves, with a tap and without: throughput, latency, and whether all was counted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.collector_gpu.resnet import CLASSES, WIDTH, ResNet50
from vigil.catalogue import SCALAR_NAMES
from vigil.shipping.transport import MemoryTransport
from vigil.tap import Tap
from vigil.types import ModelRef
from vigil.windows.ruler import Projection, Ruler
from vigil.windows.summary import Layout
from vigil.windows.window import Window

FEATURES = 256


def a_ruler(width: int = WIDTH) -> Ruler:
    rng = np.random.default_rng(0)
    signals = len(SCALAR_NAMES)
    return Ruler(
        model=ModelRef(name="resnet50", version="v1"),
        layout=Layout(
            keys=("camera",), signals=SCALAR_NAMES, bins=64, classes=CLASSES, features=FEATURES
        ),
        edges=np.sort(rng.random((signals, 63)), axis=1),
        center=np.full(signals, 0.5),
        scale=np.full(signals, 0.25),
        projection=Projection(
            weights=rng.normal(0, 0.02, (FEATURES // 2, width)).astype(np.float32),
            mean=np.zeros(width, np.float32),
            whitening=rng.normal(size=(64, width)).astype(np.float32),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Load:
    """How hard to try. ``rounds`` of ``seconds`` each, with the tap and without in turns."""

    rounds: int
    seconds: float
    side: int


class Server:
    """ResNet-50 in half precision on a GPU (single on a CPU), and a tap that watches it."""

    def __init__(self, device: torch.device, side: int, *, tap_device: Any) -> None:
        self.device = device
        self._type = torch.float16 if device.type == "cuda" else torch.float32
        torch.manual_seed(0)
        model: Any = ResNet50().eval().to(device, self._type)
        self._model: ResNet50 = model.to(memory_format=torch.channels_last)
        self._side = side
        ruler = a_ruler()
        self.transport = MemoryTransport({("resnet50", "v1"): ruler.to_bytes()})
        self.tap = Tap(
            "resnet50",
            "v1",
            transport=self.transport,
            keys=["camera"],
            window_s=1.0,
            outputs_are="logits",
            device=tap_device,
        )
        self.recorded = 0

    def images(self, n: int) -> Tensor:
        """As a decoder leaves them on the device: uint8 (n, 3, h, w), channels last in memory."""
        shape = (n, 3, self._side, self._side)
        made = torch.randint(0, 256, shape, dtype=torch.uint8, device=self.device)
        return made.contiguous(memory_format=torch.channels_last)

    def step(self, images: Tensor, *, tapped: bool) -> Tensor:
        """One batch through the model; the logits, which may not be there yet."""
        with torch.inference_mode():
            found: tuple[Tensor, Tensor] = self._model(images.to(self._type) / 255)
            embedding, logits = found
        if tapped:
            self.tap.record(
                images=images, embeddings=embedding, outputs=logits, metadata={"camera": "c1"}
            )
            self.recorded += len(images)
        return logits

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def counted(self) -> int:
        """Records in the windows that were shipped."""
        self.tap.flush(60)
        windows = (Window.from_bytes(blob) for blob in self.transport.windows.values())
        return sum(window.summary.total_records for window in windows)


def timed(server: Server, n: int, load: Load) -> dict[str, float]:
    """Batches of n, with the tap and without in turns, so that a GPU that warms up harms both.

    Throughput is of batches launched one behind the other; latency is of one batch alone, until
    its classes are on the host.
    """
    images = server.images(n)
    for tapped in (True, False, True, False):  # kernels are chosen and memory is taken once
        server.step(images, tapped=tapped)
    server.wait()
    start = time.perf_counter()
    for _ in range(3):
        server.step(images, tapped=False).argmax(1).cpu()
    repeats = max(3, int(load.seconds / max(1e-4, (time.perf_counter() - start) / 3)))
    rates: dict[bool, list[float]] = {False: [], True: []}
    waits: dict[bool, list[float]] = {False: [], True: []}
    calls: list[float] = []
    for turn in range(load.rounds):
        for tapped in (turn % 2 == 0, turn % 2 == 1):
            rates[tapped].append(n * repeats / _launched(server, images, repeats, tapped))
            waits[tapped] += _awaited(server, images, repeats, tapped)
        calls += _calls(server, images, min(50, repeats))
    slower = np.array(rates[False]) / np.array(rates[True]) - 1.0
    return {
        "images_s_without": round(float(np.median(rates[False])), 1),
        "images_s_with": round(float(np.median(rates[True])), 1),
        "overhead_percent": round(float(np.median(slower)) * 100, 3),
        "overhead_percent_low": round(float(np.quantile(slower, 0.1)) * 100, 3),
        "overhead_percent_high": round(float(np.quantile(slower, 0.9)) * 100, 3),
        **{
            f"p{q}_ms_{'with' if tapped else 'without'}": round(
                float(np.quantile(waits[tapped], q / 100)) * 1e3, 3
            )
            for q in (50, 99)
            for tapped in (False, True)
        },
        "record_us": round(float(np.median(calls)) * 1e6, 1),
        "record_p99_us": round(float(np.quantile(calls, 0.99)) * 1e6, 1),
    }


def _launched(server: Server, images: Tensor, repeats: int, tapped: bool) -> float:
    server.wait()
    start = time.perf_counter()
    for _ in range(repeats):
        server.step(images, tapped=tapped)
    server.wait()
    return time.perf_counter() - start


def _awaited(server: Server, images: Tensor, repeats: int, tapped: bool) -> list[float]:
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        server.step(images, tapped=tapped).argmax(1).cpu()
        took.append(time.perf_counter() - start)
    return took


def _calls(server: Server, images: Tensor, repeats: int) -> list[float]:
    """What ``record`` alone takes from its caller, seconds."""
    with torch.inference_mode():
        embedding = torch.zeros((len(images), WIDTH), dtype=torch.float16, device=server.device)
        logits = torch.zeros((len(images), CLASSES), dtype=torch.float16, device=server.device)
    took = []
    for _ in range(repeats):
        start = time.perf_counter()
        server.tap.record(
            images=images, embeddings=embedding, outputs=logits, metadata={"camera": "c1"}
        )
        took.append(time.perf_counter() - start)
        server.recorded += len(images)
        time.sleep(0.001)
    return took


def host_syncs(server: Server, n: int, steps: int) -> str:
    """Run with CUDA's check for calls that wait turned to errors; what it found, "" for nothing.

    The tap swallows errors and counts them, so they show in its counts.
    """
    images = server.images(n)
    server.step(images, tapped=True)
    server.wait()
    before = dict(server.tap.dropped)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(steps):
            server.step(images, tapped=True)
        server.tap.flush(60)
    except RuntimeError as error:
        return str(error)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    after = dict(server.tap.dropped)
    return "" if after == before else f"dropped {after}: {server.tap.stats()['last_error']}"
