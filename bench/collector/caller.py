"""What one call of ``record`` takes from its caller, against bare copies of the same bytes.

Floor and calls are taken in turns, in blocks, each in its own steady state; the block before it
warms up. ``floor``: embeddings and softmax copied into preallocated memory of the ring's size,
round and round, which no cache holds: what it costs to hand bytes to somebody who reads them later.
``floor_warm``: their ``copy()`` in a loop, between two places that stay in the cache; nobody could
read these. The ring is emptied after each call, and not counted: a sidecar does that, in another
process. ``library``: the same with the tap's own threads.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.collector.load import BATCH, Load, quantile, times
from vigil import Tap
from vigil.ring.reader import Reader
from vigil.shipping.transport import MemoryTransport

BLOCKS, IN_A_BLOCK, WARM = 24, 250, 20
RING_BYTES = 32 * 2**20


def caller(load: Load) -> dict[str, Any]:
    """Medians in microseconds for a batch of 64, and what they are over the floor."""
    room = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="vigil-bench-", dir=room))
    try:
        return _caller(load, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _caller(load: Load, folder: Path) -> dict[str, Any]:
    tap = Tap("bench", "v1", sidecar=folder, queue_bytes=RING_BYTES, keys=("site", "camera"))
    arguments: dict[str, Any] = {
        "embeddings": load.embeddings,
        "outputs": load.outputs,
        "latency_s": 0.01,
    }
    tap.record(**arguments, metadata=load.metadata)
    reader = Reader(tap._home._intake.memory)  # type: ignore[union-attr]
    turn = [0]

    def emptied() -> None:
        while reader.next() is not None:
            pass
        reader.release(reader.mark)

    def with_images() -> None:
        turn[0] += 1
        images = load.images[turn[0] % len(load.images)]
        tap.record(**arguments, images=images, metadata=load.metadata)

    kinds: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "floor_warm": (lambda: (load.embeddings.copy(), load.outputs.copy()), lambda: None),
        "floor": (_round_and_round(load), lambda: None),
        "caller": (lambda: tap.record(**arguments, metadata=load.metadata), emptied),
        "caller_images": (with_images, emptied),
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(BLOCKS):
        for name, (work, after) in kinds.items():
            times(work, WARM, after)
            found[name] += times(work, IN_A_BLOCK, after)
    lost = tap.dropped
    tap.close()
    middle = {name: quantile(one, 0.5) for name, one in found.items()}
    library = _library(arguments, load)
    figures: dict[str, Any] = {"batch": BATCH}
    for name, one in middle.items():
        figures["caller_us_batch64" if name == "caller" else f"{name}_us"] = round(one, 2)
    for name in ("caller", "caller_images"):
        for floor in ("floor", "floor_warm"):
            figures[f"{name}_over_{floor}"] = round(middle[name] / middle[floor], 2)
    return {
        **figures,
        "caller_p999_us": round(quantile(found["caller"], 0.999), 1),
        "caller_p999_over_median": round(quantile(found["caller"], 0.999) / middle["caller"], 2),
        "caller_library_us": round(library, 2),
        "caller_dropped": sum(lost.values()),
    }


def _round_and_round(load: Load) -> Callable[[], None]:
    memory = np.zeros(RING_BYTES, np.uint8)
    arrays = [one.reshape(-1).view(np.uint8) for one in (load.embeddings, load.outputs)]
    place = [0]

    def copies() -> None:
        for array in arrays:
            if place[0] + array.size > RING_BYTES:
                place[0] = 0
            memory[place[0] : place[0] + array.size] = array
            place[0] += array.size

    return copies


def _library(arguments: dict[str, Any], load: Load) -> float:
    """A tap without a sidecar: emptied after each call too, by its own pipeline."""
    tap = Tap("bench", "v1", transport=MemoryTransport(), keys=("site", "camera"))
    home: Any = tap._home
    found = times(
        lambda: tap.record(**arguments, metadata=load.metadata),
        300,
        home._collect,
    )
    tap.close(30)
    return quantile(found, 0.5)
