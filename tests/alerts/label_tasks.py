"""Label tasks as picking makes them, for tests of queues."""

from __future__ import annotations

import base64
from typing import Any

from alerts.actions.queues.protocol import LabelTask, Placed, TaskRef

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsDw7YwAAAABJRU5ErkJggg=="
)
"""One white pixel."""


def some_tasks(n: int, **changed: Any) -> list[LabelTask]:
    """Tasks ``here-1`` ... of records ``r1`` ..., best first."""
    values: dict[str, Any] = {
        "batch": "batch-1",
        "priority": 0.5,
        "version": "v1",
        "slice": "site=harbour",
        "prediction": 1,
        "top": ((1, 0.5), (0, 0.4)),
        "metadata": {"site": "harbour"},
        "image": PNG,
        **changed,
    }
    return [
        LabelTask(
            id=f"here-{k}",
            record_id=f"r{k}",
            rank=k,
            reason=f"uncertain: number {k}",
            **values,
        )
        for k in range(1, n + 1)
    ]


def refs_of(tasks: list[LabelTask], placed: Placed) -> list[TaskRef]:
    """How the queue is asked about them."""
    return [
        TaskRef(
            id=task.id,
            external_id=placed.ids[task.id],
            batch=task.batch,
            record_id=task.record_id,
        )
        for task in tasks
    ]
