"""The page of a model's versions: what shall serve, what does, and what served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareLine:
    """One version: its share as announced and as windows show it; None where nobody said or none
    was seen. ``registered``: the registry says that it serves."""

    version: str
    announced: float | None
    seen: float | None
    registered: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SpanLine:
    """One build served from ``first_at`` to ``last_at``, with ``share`` of that time's traffic;
    ``build``: what was said of it, in words."""

    version: str
    build: str
    first_at: datetime
    last_at: datetime
    records: int
    share: float
    serves: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EventLine:
    """A release, a rollback, or a rollback that did not go. ``kind`` as in the ledger."""

    at: datetime
    kind: str
    version: str
    text: str
    incident: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DifferenceLine:
    """``told``: it has lasted so long that there is an incident."""

    text: str
    since: datetime
    told: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionsView:
    """``start`` to ``end`` is drawn. ``said``: who announced what shall serve, in words;
    ``sees_traffic``: windows with records came in the last while."""

    model: str
    deployment: str
    said: str
    read_at: datetime | None
    problem: str
    start: datetime
    end: datetime
    shares: tuple[ShareLine, ...]
    sees_traffic: bool
    differences: tuple[DifferenceLine, ...]
    spans: tuple[SpanLine, ...]
    events: tuple[EventLine, ...]
