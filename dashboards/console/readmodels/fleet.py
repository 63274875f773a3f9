"""The page of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vigil.types import Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentLine:
    """An incident in a list."""

    id: int
    title: str
    cause: str
    severity: str
    state: str
    model: str
    deployment: str
    version: str
    slice: str
    onset_at: datetime | None
    detected_at: datetime
    resolved_at: datetime | None
    action: str = ""
    disposition: str | None = None
    onset_first_at: datetime | None = None
    onset_last_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetRow:
    model: str
    deployment: str
    version: str
    verified: bool
    status: Outcome
    named: str
    reason: str
    throughput: tuple[float, ...]
    records: int
    worst_signal: str
    worst_slice: str
    worst_ratio: float | None
    evidence: float | None
    threshold: float
    sources: int
    silent_sources: int
    last_window_at: datetime | None
    incidents: int


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetView:
    rows: tuple[FleetRow, ...]
    incidents: tuple[IncidentLine, ...]
    threshold: float
    false_pages: float
    per_days: float
    ticks: int
    outbox_waiting: int
    outbox_dead: int
    rejections: tuple[tuple[str, int], ...]
    recently_resolved: tuple[IncidentLine, ...] = ()
