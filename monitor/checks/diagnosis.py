"""What a tick concludes of one model: verdicts, and where there is drift, what it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from detectors.streams import StreamKey
from monitor.checks.terrain import NOWHERE, Terrain
from vigil.types import Cause, Effect, ModelRef, Slice


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """One stream that drifted. ``before`` and ``now``: means in the signal's unit, where known."""

    stream: StreamKey
    effect: Effect | None
    evidence: float
    threshold: float
    novel: bool
    provisional: bool
    before: float | None = None
    now: float | None = None
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diagnosis:
    """Drift of one model at one tick, named: which slice, since when, and why. A ``ticket`` is
    told, and wakes nobody.

    ``hard``: a plain rule fired, no statistics. ``onset`` is the start of the window in which it
    began, which lies between ``onset_first`` and ``onset_last`` (95 %). ``terrain``: the leaf cells
    of its traffic.
    """

    model: ModelRef
    slice: Slice
    cause: Cause
    reasons: tuple[str, ...]
    drifts: tuple[Drift, ...]
    onset: datetime | None
    at: datetime
    onset_first: datetime | None = None
    onset_last: datetime | None = None
    hard: bool = False
    ticket: bool = False
    previous_version: str | None = None
    release_started_at: datetime | None = None
    began_with_release: bool = False
    terrain: Terrain = NOWHERE

    @property
    def provisional(self) -> bool:
        return bool(self.drifts) and all(drift.provisional for drift in self.drifts)
