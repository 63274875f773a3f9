"""Settings of a model's label queue."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from monitor.settings.fields import Section


class Relabel(Section):
    folder: str | None = None
    budget: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 100
