"""What a label queue does: take tasks, give them back, and tell what people said.

A task has an id of ours. A queue holds a task of one id once, however often it is put: a process
may be killed after the queue took it and before that was written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from alerts.actions.queues.boxes import Box
from alerts.actions.queues.labels import NONE_CHOICE, NONE_OF_THESE
from vigil.errors import VigilError

__all__ = [
    "NONE_CHOICE",
    "NONE_OF_THESE",
    "Annotation",
    "LabelQueue",
    "LabelQueueError",
    "LabelTask",
    "Placed",
    "Poll",
    "TaskRef",
]


class LabelQueueError(VigilError):
    """The queue can't do it now; nothing is lost by asking again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelTask:
    """One image for a person to label.

    ``id`` is ours and unique everywhere. ``rank`` is unique in its batch, 1 is the best.
    ``priority`` in [0, 1]: larger first. ``top`` holds the likeliest classes with their
    probabilities. ``image`` is a PNG, or None where privacy keeps no pixels; then ``uri`` leads to
    it. ``boxes`` are the model's. Whether its label is known already is not told: labellers must
    not see it.
    """

    id: str
    batch: str
    record_id: str
    rank: int
    priority: float
    reason: str
    version: str
    slice: str
    prediction: int
    top: tuple[tuple[int, float], ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    uri: str = ""
    assigned_to: str = ""
    image: bytes | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRef:
    """A task that a queue has: by our id, by the queue's, and where it came from.

    ``external_id`` is empty where the queue may have it and never said so: then it is looked for.
    """

    id: str
    external_id: str
    batch: str
    record_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """What one person said of one task. ``task`` is our id.

    ``external_id`` tells annotations of a task apart. ``label`` is a class, or ``NONE_OF_THESE``;
    where ``boxes`` were drawn, how many (None: it was about a class).
    ``lead_time_s``: how long it took, where the queue says so.
    """

    task: str
    external_id: str
    author: str
    label: int
    at: datetime
    lead_time_s: float | None = None
    boxes: tuple[Box, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """``ids``: our id to the queue's, of every task that was put."""

    location: str
    ids: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Poll:
    """What came back. ``problems``: answers that could not be read, each with its place."""

    annotations: tuple[Annotation, ...] = ()
    problems: tuple[str, ...] = ()


class LabelQueue(Protocol):
    """``name`` tells a queue from all others: kind and place."""

    @property
    def name(self) -> str: ...

    def put(self, tasks: Sequence[LabelTask]) -> Placed:
        """Queue tasks; those that are there already stay as they are.

        Raises:
            LabelQueueError: not all of them are there; put them again.
        """
        ...

    def withdraw(self, refs: Sequence[TaskRef]) -> None:
        """Take tasks out, so that nobody labels them; one that is gone is no error.

        Raises:
            LabelQueueError: some may still be there; ask again.
        """
        ...

    def poll(self, refs: Sequence[TaskRef], *, since: datetime | None) -> Poll:
        """What people said of these tasks, at least of what changed ``since``; repeats are fine.

        Raises:
            LabelQueueError: nothing is known now.
        """
        ...
