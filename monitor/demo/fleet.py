"""The inference process of the demo: cameras, the model that serves, and the tap beside it.

It knows nothing of vigil's service but the tap, and nothing of the story but what the cameras see.
The version that serves is whatever the local registry says, read before every batch.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.demo.reader import ReaderVersion
from monitor.demo.world import Camera, World
from vigil.tap import Tap

STEP_S = 0.25
LABEL_DELAY_S = 2.0
LABEL_SHARE = 0.06


class Fleet:
    """Cameras that take pictures, a model that reads them, in a thread of its own."""

    def __init__(
        self,
        world: World,
        cameras: Sequence[Camera],
        versions: Mapping[str, ReaderVersion],
        *,
        tap: Tap,
        serving: Callable[[], str],
        images_per_camera_s: int,
        seed: int,
    ) -> None:
        self._world, self._versions, self._tap, self._serving = world, versions, tap, serving
        self._cameras = list(cameras)
        self._per_step = max(1, round(images_per_camera_s * STEP_S))
        self._rng = np.random.default_rng([seed, 3])
        self._digits = world.held_out_indices()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)
        self._waiting: deque[tuple[float, list[str], list[int]]] = deque()
        self._shown: dict[str, int] = {}
        self.failure: BaseException | None = None
        self.version = serving()
        self.inferences = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def shown(self, record: str) -> int | None:
        """The digit that a record's picture shows, as a person would read it."""
        return self._shown.get(record)

    def change(self, cameras: Sequence[Camera]) -> None:
        """From now on these cameras, in this state, are what is out there."""
        self._cameras = list(cameras)

    def _run(self) -> None:
        due = time.monotonic()
        try:
            while not self._stop.is_set():
                self._step()
                due += STEP_S
                pause = due - time.monotonic()
                if pause < -2.0:
                    due = time.monotonic()
                self._stop.wait(max(0.0, pause))
        except BaseException as error:
            self.failure = error
            raise

    def _step(self) -> None:
        cameras = self._cameras
        self.version = self._serving()
        model = self._versions[self.version]
        picked = [self._rng.choice(self._digits, self._per_step) for _ in cameras]
        images = self._world.render_many(cameras, picked, self._rng)
        began = time.perf_counter()
        probabilities, embeddings = model.infer(images)
        took = time.perf_counter() - began
        ids = self._tap.record(
            images=images,
            embeddings=embeddings,
            outputs=probabilities,
            latency_s=took,
            metadata=[camera.metadata for camera in cameras for _ in range(self._per_step)],
            version=self.version,
        )
        self.inferences += len(ids)
        truth = self._world.labels[np.concatenate(picked)]
        self._shown.update(zip(ids, truth.tolist(), strict=True))
        self._label_some(ids, truth)

    def _label_some(self, ids: Sequence[str], truth: NDArray[np.int64]) -> None:
        chosen = np.flatnonzero(self._rng.random(len(ids)) < LABEL_SHARE)
        now = time.monotonic()
        self._waiting.append(
            (now, [ids[i] for i in chosen.tolist()], [int(truth[i]) for i in chosen])
        )
        while self._waiting and now - self._waiting[0][0] >= LABEL_DELAY_S:
            _, ready, labels = self._waiting.popleft()
            if ready:
                self._tap.label(ready, labels)
