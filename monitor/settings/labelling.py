"""Settings of a model's label queue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from monitor.settings.fields import Seconds, Section


class Relabel(Section):
    folder: str | None = None
    budget: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 100
    poll_s: Seconds = 60.0
    annotators: Annotated[int, Field(ge=1, le=100, strict=True)] = 1

    @property
    def is_on(self) -> bool:
        """Whether there is a queue."""
        return self.folder is not None
