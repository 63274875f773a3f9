"""The page of silences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from dashboards.console.readmodels import IncidentLine


@dataclass(frozen=True, kw_only=True, slots=True)
class SilenceLine:
    """One silence. ``until``: when what holds now stops to; ``next_start``: when it holds again.
    ``concern``: why somebody should look at it, else empty."""

    id: int
    name: str
    kind: str
    state: str
    matchers: tuple[str, ...]
    over_at: datetime
    until: datetime | None
    next_start: datetime | None
    recurs: str
    comment: str
    created_by: str
    ended_by: str
    matched: int
    last_matched_at: datetime | None
    concern: str = ""

    @property
    def is_over(self) -> bool:
        return self.state == "expired"


@dataclass(frozen=True, kw_only=True, slots=True)
class SilenceForm:
    """What stands in the form: as it was typed, or as an incident suggests it."""

    kind: str = "silence"
    matchers: str = ""
    lasts: str = "2h"
    until: str = ""
    start: str = ""
    every: str = ""
    time_zone: str = "UTC"
    comment: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviewView:
    """What the form's silence would hold back; counts may be more than are shown."""

    text: str
    holds: str
    open_count: int
    open: tuple[IncidentLine, ...]
    week_count: int
    week: tuple[IncidentLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SilencesView:
    lines: tuple[SilenceLine, ...]
    form: SilenceForm = field(default_factory=SilenceForm)
    shown: str = "live"
    preview: PreviewView | None = None
    error: str = ""
    unfold: bool = False
