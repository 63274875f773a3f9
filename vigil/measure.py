"""What a tap does with the arguments of ``record``: signals, by the model's task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vigil.batch import TASKS, RecordBatch, Task, make_batch
from vigil.signals.predictions import OutputsAre
from vigil.types import Signal


class Measure:
    """Arguments in, batches with their signals out; one for each boot of a tap.

    Args:
        task: what the model does.
        outputs_are: what ``outputs`` hold.
        thumbnails: keep small copies of the images.
        signals: signals of the caller's own: names declared with ``@signal``, or descriptions.

    Raises:
        ValueError: an unknown task, or what outputs can't be.
    """

    def __init__(
        self,
        *,
        task: Task = "classification",
        outputs_are: OutputsAre = "probabilities",
        thumbnails: bool = False,
        signals: Sequence[str | Signal] = (),
    ) -> None:
        if task not in TASKS:
            raise ValueError(f"task: expected one of {', '.join(TASKS)}, found {task!r:.80}")
        if outputs_are not in ("probabilities", "logits"):
            raise ValueError(f"outputs_are: expected probabilities or logits, found {outputs_are}")
        self.task: Task = task
        self._outputs_are: OutputsAre = outputs_are
        self._thumbnails = thumbnails
        self._signals = tuple(signals)

    def batch(self, **arguments: Any) -> RecordBatch:
        """The batch of some calls; arguments as ``vigil.batch.make_batch`` takes them.

        Raises:
            ShapeError: as ``make_batch``.
        """
        return make_batch(
            task=self.task,
            outputs_are=self._outputs_are,
            thumbnails=self._thumbnails,
            **arguments,
        )
