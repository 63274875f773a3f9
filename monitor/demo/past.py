"""Healthy inference of the past, made by a second process while the first one takes it in."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray

from monitor.demo.configuration import KEYS, WINDOW_S
from monitor.demo.reader import DigitReader, ReaderVersion
from monitor.demo.world import Camera, World
from vigil.measuring.batch import RecordBatch, make_batch

WINDOWS_AT_ONCE = 25
CHUNKS_AHEAD = 4
LABEL_SHARE = 0.06

Labelled = tuple[RecordBatch, NDArray[np.int64] | None]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some windows of the past: which, of which cameras, seen by which network."""

    seed: int
    first: int
    windows: int
    offset: int
    version: str
    network: DigitReader
    cameras: Sequence[Camera]
    images_per_camera: int


class Past:
    """A worker process that can infer; it starts to load while the model is being trained."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._pool.submit(world_of, seed)

    def windows(
        self,
        version: str,
        network: DigitReader,
        cameras: Sequence[Camera],
        *,
        first: int,
        windows: int,
        images_per_camera: int,
    ) -> Iterator[Labelled]:
        """Batches of labelled records, one a window, in order of time."""
        waiting: deque[Future[list[Labelled]]] = deque()
        starts = iter(range(0, windows, WINDOWS_AT_ONCE))
        per_window = len(cameras) * images_per_camera

        def submit() -> None:
            start = next(starts, None)
            if start is not None:
                chunk = Chunk(
                    seed=self._seed,
                    first=first + start,
                    windows=min(WINDOWS_AT_ONCE, windows - start),
                    offset=start * per_window,
                    version=version,
                    network=network,
                    cameras=cameras,
                    images_per_camera=images_per_camera,
                )
                waiting.append(self._pool.submit(infer_chunk, chunk))

        for _ in range(CHUNKS_AHEAD):
            submit()
        while waiting:
            yield from waiting.popleft().result()
            submit()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def world_of(seed: int) -> World:
    """The worker's own copy of the world."""
    torch.set_num_threads(1)
    return World(seed)


def infer_chunk(chunk: Chunk) -> list[Labelled]:
    """Render, infer and measure the windows of a chunk; runs in the worker."""
    world = world_of(chunk.seed)
    reader = ReaderVersion(chunk.version, chunk.network)
    rng = np.random.default_rng([chunk.seed, 7, chunk.offset])
    digits = world.held_out_indices()
    each = chunk.images_per_camera
    n = len(chunk.cameras) * each
    metadata = {
        key: [camera.metadata[key] for camera in chunk.cameras for _ in range(each)] for key in KEYS
    }
    done: list[Labelled] = []
    for window in range(chunk.windows):
        picked = [rng.choice(digits, each) for _ in chunk.cameras]
        images = world.render_many(chunk.cameras, picked, rng)
        began = time.perf_counter()
        probabilities, embeddings = reader.infer(images)
        took = time.perf_counter() - began
        low = chunk.offset + window * n
        numbers = np.arange(low, low + n, dtype=np.uint64)
        batch = make_batch(
            ids=[f"log-{i}" for i in range(low, low + n)],
            counter=numbers,
            custom_ids=False,
            time_s=(chunk.first + window + 0.5) * WINDOW_S,
            version=chunk.version,
            images=images,
            embeddings=embeddings,
            outputs=probabilities,
            latency_s=took,
            metadata=metadata,
        )
        truth = world.labels[np.concatenate(picked)]
        done.append((batch, np.where(rng.random(n) < LABEL_SHARE, truth, -1)))
    return done
