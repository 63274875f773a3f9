"""What a tap does with the arguments of ``record``: signals, by the model's task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vigil.measuring.batch import RecordBatch, make_batch
from vigil.measuring.own_signals import load_plugins, resolved
from vigil.quality.frames import CAMERA_KEYS, Frames
from vigil.signals.declare import Declared
from vigil.signals.following import Follower
from vigil.signals.predictions import OutputsAre
from vigil.types import TASKS, Signal, Task


class Measure:
    """Arguments in, batches with their signals out; one for each boot of a tap.

    ``own``: the declared signals. ``refused`` counts what a caller handed in and was not taken:
    ``unknown_signal``, ``bad_signal``, ``too_many_signals``, ``signal_failed:NAME`` (batches in
    which a function of the caller's failed: its column is missing there).

    Args:
        task: what the model does.
        outputs_are: what ``outputs`` hold.
        thumbnails: keep small copies of the images.
        pictures: keep whole those that are picked.
        signals: signals of the caller's own: names declared with ``@signal``, or descriptions.
        plugins: modules that declare signals; ``installed`` stands for those of the installed
            packages (entry points ``vigil.signals``).
        keys: metadata keys that tell streams of frames apart (``camera`` does in any case).

    Raises:
        ValueError: an unknown task, signal or module, or what outputs can't be.
    """

    def __init__(
        self,
        *,
        task: Task = "classification",
        outputs_are: OutputsAre = "probabilities",
        thumbnails: bool = False,
        signals: Sequence[str | Signal | Declared] = (),
        plugins: Sequence[str] = (),
        keys: Sequence[str] = (),
        pictures: bool = False,
    ) -> None:
        if task not in TASKS:
            raise ValueError(f"task: expected one of {', '.join(TASKS)}, found {task!r:.80}")
        if outputs_are not in ("probabilities", "logits"):
            raise ValueError(f"outputs_are: expected probabilities or logits, found {outputs_are}")
        self.task: Task = task
        found = load_plugins(plugins)
        self.own = resolved([*signals, *found])
        self.refused: Counter[str] = Counter()
        self._outputs_are: OutputsAre = outputs_are
        self._thumbnails, self._pictures = thumbnails, pictures
        self._keys = tuple(keys)
        self._follower = Follower()
        self._frames = Frames((*keys, *CAMERA_KEYS))

    def batch(self, **arguments: Any) -> RecordBatch:
        """The batch of some calls; arguments as ``vigil.measuring.batch.make_batch`` takes them.
        What it was made with may be given anew.

        Raises:
            ShapeError: as ``make_batch``.
        """
        made = {"outputs_are": self._outputs_are, "thumbnails": self._thumbnails}
        return make_batch(
            task=self.task,
            pictures=self._pictures,
            own=self.own,
            follower=self._follower,
            stream_keys=self._keys,
            refused=self.refused,
            frames=self._frames,
            **(made | arguments),
        )
