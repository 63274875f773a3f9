"""Who is told next while nobody acknowledges. Pure; ``monitor.response.escalations`` advances."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """``after_s`` seconds after the one before (the first: after the page)."""

    after_s: float
    receivers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """Its steps, and then ``repeat`` times again from the first."""

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0

    @property
    def length(self) -> int:
        """How many steps there are in all."""
        return len(self.steps) * (1 + self.repeat)

    def step(self, taken: int) -> Step | None:
        """The step that follows after so many; None after the last."""
        return self.steps[taken % len(self.steps)] if taken < self.length else None

    def due(self, taken: int, since: datetime) -> datetime | None:
        """When the step that follows is due, the one before having been taken at ``since``."""
        step = self.step(taken)
        return None if step is None else since + timedelta(seconds=step.after_s)

    def told(self, taken: int) -> str:
        """``step 2 of 3``, in which round where there are several; of the step to take."""
        number, around = taken % len(self.steps) + 1, taken // len(self.steps) + 1
        text = f"step {number} of {len(self.steps)} of {self.name}"
        return text if self.repeat == 0 else f"{text}, round {around} of {1 + self.repeat}"
