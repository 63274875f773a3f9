"""What the API answers, typed; field names are the table's and the words of the design."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["accepted", "duplicate", "rejected"]


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ReceiptOut(Answer):
    source: str
    boot: str
    sequence: int
    status: Status
    reason: str


class ReceiptsOut(Answer):
    receipts: list[ReceiptOut]


class LabelReceiptOut(Answer):
    id: str
    status: Status
    reason: str


class LabelReceiptsOut(Answer):
    receipts: list[LabelReceiptOut]


class WindowOut(Answer):
    id: int
    source: str
    boot: str
    sequence: int
    model: str
    version: str
    deployment: str
    start_at: datetime
    end_at: datetime
    received_at: datetime
    origin: str
    ruler: str
    verified: bool
    records: int
    dropped: int
    judged_by: int | None


class BaselineOut(Answer):
    id: int
    model: str
    version: str
    sha256: str
    ruler: str
    dataset: str
    records: int
    created_at: datetime
    author: str
    reason: str
    state: str


class ReleaseOut(Answer):
    id: int
    model: str
    deployment: str
    version: str
    previous: str | None
    started_at: datetime
    origin: str
    actor: str
    known_good: bool
    note: str
    share: float
    preprocessing: str
    hardware: str
    schema_version: str


class ReleaseAnnouncedOut(ReleaseOut):
    warning: str


class TimelineOut(Answer):
    at: datetime
    kind: str
    actor: str
    text: str
    data: dict[str, Any]


class ActionOut(Answer):
    id: int
    incident_id: int
    kind: str
    state: str
    plan: dict[str, Any]
    plan_hash: str
    decision: dict[str, Any]
    result: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    executed_at: datetime | None
    finished_at: datetime | None
    approved_by: str | None


class IncidentOut(Answer):
    id: int
    version: int
    kind: str
    cause: str
    severity: str
    model: str
    model_version: str
    deployment: str
    slice: str
    title: str
    state: str
    onset_at: datetime | None
    onset_first_at: datetime | None
    onset_last_at: datetime | None
    detected_at: datetime
    paged_at: datetime | None
    acknowledged_at: datetime | None
    mitigated_at: datetime | None
    recovered_at: datetime | None
    resolved_at: datetime | None
    last_firing_at: datetime
    reopened: int
    repeat_of: int | None
    findings: list[Any]
    reasons: list[Any]
    labels: dict[str, Any]
    disposition: str | None
    runbook: str


class IncidentStoryOut(IncidentOut):
    timeline: list[TimelineOut]
    actions: list[ActionOut]


class ModelOut(Answer):
    """``verified``: the version that serves has an active baseline and is judged."""

    name: str
    deployment: str
    owner: str
    version: str | None
    verified: bool
    last_window_at: datetime | None
    sources: int
    open_incidents: int


class RejectionOut(Answer):
    hour: datetime
    source: str
    what: str
    reason: str
    count: int
    example: str


class ConfigurationOut(Answer):
    """Whether the file was edited since it was loaded; an edit takes effect at the next start."""

    state: str
    problems: list[str]


class StatusOut(Answer):
    version: str
    started_at: datetime
    now: datetime
    database: str
    threshold_ticks: float
    last_tick_at: datetime | None
    windows_waiting: int
    incidents_open: int
    outbox_waiting: int
    actions_stopped: bool
    leader: str | None
    configuration: ConfigurationOut | None
    rejections: list[RejectionOut]


class SwitchOut(Answer):
    name: str
    on: bool
    actor: str
    at: datetime


class HealthOut(Answer):
    status: Literal["ok", "late", "away"]
    detail: str
