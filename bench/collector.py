"""What the collector costs: the caller's wait in ``record``, and the work behind it.

The floor for ``record`` is one copy of its arrays (memcpy): it must not keep the caller's buffers.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vigil.batch import make_batch
from vigil.catalogue import SCALAR_NAMES
from vigil.recorder import Recorder
from vigil.ruler import Projection, Ruler
from vigil.shipping.transport import MemoryTransport
from vigil.summary import Layout
from vigil.tap import Tap
from vigil.types import ModelRef

RNG = np.random.default_rng(0)


def a_ruler(dimension: int) -> Ruler:
    return Ruler(
        model=ModelRef(name="m", version="v1"),
        layout=Layout(
            keys=("site", "camera"), signals=SCALAR_NAMES, bins=64, classes=10, features=256
        ),
        edges=np.sort(RNG.random((len(SCALAR_NAMES), 63)), axis=1),
        center=np.zeros(len(SCALAR_NAMES)),
        scale=np.ones(len(SCALAR_NAMES)),
        projection=Projection(
            weights=RNG.normal(size=(128, dimension)).astype(np.float32),
            mean=np.zeros(dimension, np.float32),
            whitening=RNG.normal(size=(32, dimension)).astype(np.float32),
        ),
    )


def calls() -> None:
    """Time that one call of ``record`` takes from its caller, batch of 64 with 512-d embeddings."""
    embeddings = RNG.normal(size=(64, 512)).astype(np.float32)
    outputs = RNG.dirichlet(np.ones(10), 64).astype(np.float32)
    images = RNG.integers(0, 256, (64, 224, 224, 3), dtype=np.uint8)
    cases: list[tuple[str, list[NDArray[Any]], int]] = [
        ("embeddings and outputs", [embeddings, outputs], 200),
        ("and 224x224 images", [embeddings, outputs, images], 20),
    ]
    for name, arrays, repeats in cases:
        tap = Tap("m", "v1", transport=MemoryTransport())
        with_images = arrays[2] if len(arrays) == 3 else None
        floor, called = [], []
        for _ in range(repeats):
            start = time.perf_counter()
            copies = [array.copy() for array in arrays]
            floor.append(time.perf_counter() - start)
            del copies
            start = time.perf_counter()
            tap.record(embeddings=embeddings, outputs=outputs, images=with_images)
            called.append(time.perf_counter() - start)
            while tap.stats()["queued"]:  # the worker keeps up, so memory is used again
                tap._home._wake.set()  # type: ignore[union-attr]
                time.sleep(0.001)
        tap.close(30)
        mine, least = float(np.median(called)), float(np.median(floor))
        sys.stdout.write(
            f"record(), {name}: {mine * 1e6:.0f} us a batch of 64; "
            f"memcpy {least * 1e6:.0f} us; ratio {mine / least:.1f}\n"
        )


def work_behind() -> None:
    """Records a second through signals, sums, samples and the wire, on one core."""
    n, rounds = 150, 200
    images = RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8)
    embeddings = RNG.normal(size=(n, 64)).astype(np.float32)
    outputs = RNG.dirichlet(np.ones(10), n).astype(np.float32)
    metadata = {
        "site": [f"s{i % 4}" for i in range(n)],
        "camera": [f"c{i % 12}" for i in range(n)],
    }
    ruler = a_ruler(64)
    recorder = Recorder(
        model="m",
        deployment="production",
        source="s",
        boot="b",
        keys=("site", "camera"),
        window_s=60.0,
        rulers=lambda version: ruler,
    )
    spent = {"make_batch": 0.0, "Recorder.add": 0.0, "Window.to_bytes": 0.0}
    sizes = []
    for i in range(rounds):
        a = time.perf_counter()
        batch = make_batch(
            ids=[f"s.b.{i * n + j}" for j in range(n)],
            counter=np.arange(i * n, i * n + n, dtype=np.uint64),
            custom_ids=False,
            time_s=1.7e9 + 60 * i,
            version="v1",
            images=images,
            embeddings=embeddings,
            outputs=outputs,
            latency_s=0.01,
            metadata=metadata,
        )
        b = time.perf_counter()
        windows = recorder.add(batch)
        c = time.perf_counter()
        sizes += [len(window.to_bytes()) for window in windows]
        d = time.perf_counter()
        for name, seconds in zip(spent, (b - a, c - b, d - c), strict=True):
            spent[name] += seconds
    for name, seconds in spent.items():
        sys.stdout.write(
            f"{name}: {seconds / rounds * 1e3:.2f} ms a window of {n} records (28x28, 12 cells), "
            f"{n * rounds / seconds:,.0f} records/s\n"
        )
    total = sum(spent.values())
    sys.stdout.write(
        f"all three: {n * rounds / total:,.0f} records/s, 250,000 records in "
        f"{250_000 * total / (n * rounds):.1f} s; a window has {np.mean(sizes) / 1024:.1f} KiB\n"
    )


def small_calls() -> None:
    """Records a second when every call holds a single inference."""
    tap = Tap("m", "v1", transport=MemoryTransport())
    embedding = RNG.normal(size=(1, 128)).astype(np.float32)
    outputs = np.full((1, 10), 0.1, np.float32)
    image = RNG.integers(0, 256, (1, 32, 32), dtype=np.uint8)
    count = 5000
    start = time.perf_counter()
    for _ in range(count):
        tap.record(images=image, embeddings=embedding, outputs=outputs, metadata={"site": "a"})
    called = time.perf_counter() - start
    tap.flush(60)
    done = time.perf_counter() - start
    sys.stdout.write(
        f"calls of one record: {called / count * 1e6:.0f} us each, "
        f"{count / done:,.0f} records/s through the worker\n"
    )
    tap.close()


if __name__ == "__main__":
    calls()
    work_behind()
    small_calls()
