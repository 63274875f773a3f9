"""Label queues: what waits for people, and what came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.console.readmodels.actions import RelabelItem


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelQueueLine:
    """One model's queue. ``place`` is where it is; ``problem``: what it answered last, else
    empty."""

    model: str
    deployment: str
    place: str
    waiting: int
    labelled: int
    expired: int
    withdrawn: int
    oldest_at: datetime | None
    asked_at: datetime | None
    problem: str
    failing: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelBatchLine:
    """One batch; ``incident_id`` is None where it was picked from daily traffic."""

    batch: str
    model: str
    deployment: str
    slice: str
    incident_id: int | None
    picked_at: datetime
    total: int
    waiting: int
    labelled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelsView:
    """``waiting``: what to label next, with all that is known of it."""

    queues: tuple[LabelQueueLine, ...]
    batches: tuple[LabelBatchLine, ...]
    waiting: tuple[RelabelItem, ...]
