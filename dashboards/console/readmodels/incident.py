"""The page of an incident."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from dashboards.console.readmodels.actions import ActionView, DeliveryView
from dashboards.console.readmodels.fleet import IncidentLine
from dashboards.console.readmodels.samples import Distribution, EmbeddingMap
from dashboards.console.readmodels.streams import Marker, SignalSeries, SliceTable
from vigil.types import Effect


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingLine:
    """One thing that is wrong, as the incident keeps it."""

    signal: str
    kind: str
    slice: str
    effect: Effect | None
    evidence: float | None
    novel: bool = False
    provisional: bool = False
    before: float | None = None
    now: float | None = None
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """How many tolerances the effect is."""
        if self.effect is None or self.effect.tolerance <= 0:
            return None
        return abs(self.effect.value) / self.effect.tolerance


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """One station of an incident: onset, detected, paged, acknowledged, mitigated, recovered."""

    name: str
    at: datetime | None
    since_onset_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineItem:
    at: datetime
    kind: str
    actor: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowupLine:
    """A corrective action. ``state``: open, done, dropped."""

    id: int
    incident_id: int
    incident_title: str
    text: str
    owner: str
    due_at: datetime | None
    state: str
    overdue: bool
    created_by: str
    closed_by: str
    closed_at: datetime | None
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeTo:
    """How long a step took; ``seconds`` is None where it was not reached."""

    step: str
    seconds: float | None
    since: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatLine:
    """The earlier incident that this one repeats, and how it was solved then."""

    incident_id: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RunbookView:
    name: str
    title: str
    owner: str
    last_reviewed: str
    serves: tuple[str, ...]
    severity: str
    html: Markup
    dashboards: tuple[str, ...] = ()
    steps: int = 0
    ticked: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportLine:
    """The drawn report of an incident. ``ready``: its page can be opened; else ``text`` says why
    not."""

    ready: bool
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExemplarLine:
    """One record that shows a drift. ``image`` is a data URI, or None where privacy keeps no
    pixels; ``value`` is None where the signal is no number; ``trace`` is where its trace is shown,
    or ""."""

    record_id: str
    at: datetime
    value: float | None
    prediction: str
    where: str
    uri: str
    image: str | None
    trace: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExemplarGroup:
    signal: str
    records: tuple[ExemplarLine, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DecisionLine:
    """Why somebody was told, or not: the last decision of one stage. ``outcome``: pass, stop or
    change."""

    at: datetime
    stage: str
    outcome: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class IncidentView:
    line: IncidentLine
    version: int
    kind: str
    milestones: tuple[Milestone, ...]
    reasons: tuple[str, ...]
    findings: tuple[FindingLine, ...]
    series: tuple[SignalSeries, ...]
    markers: tuple[Marker, ...]
    table: SliceTable
    distribution: Distribution | None
    embedding: EmbeddingMap | None
    actions: tuple[ActionView, ...]
    deliveries: tuple[DeliveryView, ...]
    timeline: tuple[TimelineItem, ...]
    runbook: RunbookView | None
    runbook_name: str
    decisions: tuple[DecisionLine, ...] = ()
    labels: tuple[tuple[str, str], ...] = field(default=())
    threshold: float = 0.0
    signal_shares: tuple[tuple[str, float], ...] = ()
    slice_shares: tuple[tuple[str, float], ...] = ()
    exemplars: tuple[ExemplarGroup, ...] = ()
    report: ReportLine | None = None
    times: tuple[TimeTo, ...] = ()
    repeat: RepeatLine | None = None
    followups: tuple[FollowupLine, ...] = ()
