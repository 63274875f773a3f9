"""Tasks in memory: for tests and dry runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from alerts.actions.queues.protocol import Annotation, LabelTask, Placed, Poll, TaskRef


class MemoryLabelQueue:
    """``tasks`` by our id. ``annotate`` plays the people."""

    name = "memory"

    def __init__(self) -> None:
        self.tasks: dict[str, LabelTask] = {}
        self._annotations: list[Annotation] = []

    def put(self, tasks: Sequence[LabelTask]) -> Placed:
        for task in tasks:
            self.tasks.setdefault(task.id, task)
        return Placed(location=self.name, ids={task.id: f"memory-{task.id}" for task in tasks})

    def withdraw(self, refs: Sequence[TaskRef]) -> None:
        for ref in refs:
            self.tasks.pop(ref.id, None)

    def poll(self, refs: Sequence[TaskRef], *, since: datetime | None) -> Poll:
        del since
        known = {ref.id for ref in refs}
        return Poll(annotations=tuple(one for one in self._annotations if one.task in known))

    def annotate(
        self,
        task: str,
        label: int,
        *,
        at: datetime,
        author: str = "ann",
        lead_time_s: float | None = None,
    ) -> None:
        """A person labels a task."""
        self._annotations.append(
            Annotation(
                task=task,
                external_id=f"{len(self._annotations) + 1}",
                author=author,
                label=label,
                at=at,
                lead_time_s=lead_time_s,
            )
        )
