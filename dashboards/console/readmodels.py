"""What a page shows, as plain frozen values; queries fill them, templates print them.

Times are aware UTC. A number that is not known is None, never NaN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from dashboards.console import words
from vigil.types import Effect, Outcome

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Chrome:
    """What surrounds every page: the bar at the top, who is signed in, how often to refresh."""

    page: str
    now: datetime
    open_incidents: int = 0
    last_tick_at: datetime | None = None
    tick_late: bool = False
    actions_stopped: bool = False
    user: str | None = None
    csrf: str = ""
    can_operate: bool = False
    can_approve: bool = False
    refresh_s: int = 0
    notice: str = ""
    notice_level: str = "info"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalPoint:
    """One tick of one stream."""

    at: datetime
    z: float | None
    effect: float | None
    evidence: float | None
    mean: float | None
    records: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Marker:
    """A moment to draw through a plot: onset, detected, paged, mitigated, recovered, release."""

    at: datetime
    kind: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalSeries:
    """One signal on one slice over time. ``threshold``: the evidence at which a page goes out."""

    signal: str
    kind: str
    unit: str
    description: str
    slice: str
    tolerance: float
    threshold: float
    points: tuple[SignalPoint, ...]
    status: Outcome
    baseline_mean: float | None = None

    @property
    def last(self) -> SignalPoint | None:
        return self.points[-1] if self.points else None


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceCell:
    """One signal on one slice now."""

    effect: float | None
    evidence: float | None
    tolerance: float
    threshold: float
    drifted: bool

    @property
    def level(self) -> int:
        """The heat of the cell: 0 calm, 1 and 2 some and much evidence, 3 drifted, 4 far.

        Evidence decides, not the effect: on a small slice chance alone makes large effects.
        """
        if self.drifted:
            return 4 if self.effect is not None and self.effect > 3 * self.tolerance > 0 else 3
        heat = words.heat(self.evidence, self.threshold)
        return 0 if heat < 0.3 else 1 if heat < 0.6 else 2


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceRow:
    slice: str
    records: int
    cells: tuple[SliceCell | None, ...]
    named: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceTable:
    """Slices by signals; rows are ordered with the worst first, after the whole."""

    signals: tuple[str, ...]
    rows: tuple[SliceRow, ...]
    left_out: int = 0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Distribution:
    """Shares per bar, baseline against current. ``edges`` (n + 1,); ``below`` and ``above`` are
    the shares (baseline, current) outside the edges."""

    signal: str
    unit: str
    slice: str
    edges: Floats
    baseline: Floats
    current: Floats
    below: tuple[float, float]
    above: tuple[float, float]
    missing: tuple[float, float]
    baseline_records: int
    current_records: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClassShares:
    """Predicted classes, baseline against current."""

    names: tuple[str, ...]
    baseline: Floats
    current: Floats
    slice: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class EmbeddingMap:
    """Embeddings on the baseline's two main axes. ``baseline`` (n, 2), ``current`` (m, 2),
    ``named`` (m,) true inside the slice an incident names. ``explained``: share of variance."""

    baseline: Floats
    current: Floats
    named: NDArray[np.bool_]
    explained: tuple[float, float]
    slice: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    confidence: float
    accuracy: float
    labels: int
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """How often predictions of a stated confidence are right."""

    bins: tuple[ReliabilityBin, ...]
    baseline: tuple[ReliabilityBin, ...]
    labels: int
    accuracy: float
    gap: float
    baseline_accuracy: float | None
    baseline_gap: float | None


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


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseLine:
    version: str
    previous: str | None
    started_at: datetime
    origin: str
    actor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceLine:
    source: str
    version: str
    last_window_at: datetime
    silent: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineLine:
    version: str
    sha256: str
    dataset: str
    records: int
    created_at: datetime
    author: str
    state: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FindableLine:
    """What could be found on one stream. ``smallest`` is None where it abstains; ``text`` says
    why, or says the shift with its unit."""

    signal: str
    smallest: float | None
    text: str
    history: int
    needed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelView:
    model: str
    deployment: str
    owner: str
    version: str
    verified: bool
    status: Outcome
    reason: str
    slice: str
    slices: tuple[str, ...]
    span: str
    start: datetime
    end: datetime
    series: tuple[SignalSeries, ...]
    markers: tuple[Marker, ...]
    table: SliceTable
    signal: str
    distribution: Distribution | None
    classes: ClassShares | None
    embedding: EmbeddingMap | None
    reliability: Reliability | None
    baseline: BaselineLine | None
    releases: tuple[ReleaseLine, ...]
    sources: tuple[SourceLine, ...]
    incidents: tuple[IncidentLine, ...]
    records: int
    threshold: float
    findable: tuple[FindableLine, ...] = ()
    findable_windows: int = 0


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
class ReasonLine:
    """One reason of the guard. ``outcome``: refuse, wait or allow; empty where it does not say."""

    outcome: str
    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RelabelItem:
    """``image`` is where the page finds it, or None where privacy keeps no pixels."""

    record_id: str
    rank: int
    reason: str
    score: float
    image: str | None
    prediction: str
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionView:
    """Something done, or refused, about an incident, with all the reasons."""

    id: int
    kind: str
    state: str
    summary: str
    reasons: tuple[ReasonLine, ...]
    interlock: str
    result: str
    plan: tuple[tuple[str, str], ...]
    plan_hash: str
    created_at: datetime
    executed_at: datetime | None
    finished_at: datetime | None
    approved_by: str | None
    items: tuple[RelabelItem, ...] = ()
    item_count: int = 0

    @property
    def needs_approval(self) -> bool:
        return self.kind == "rollback" and self.state == "waiting" and self.approved_by is None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryView:
    receiver: str
    event: str
    state: str
    attempts: int
    created_at: datetime
    delivered_at: datetime | None
    next_attempt_at: datetime | None
    error: str
    receipt: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelineItem:
    at: datetime
    kind: str
    actor: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Milestone:
    """One station of an incident: onset, detected, paged, acknowledged, mitigated, recovered."""

    name: str
    at: datetime | None
    since_onset_s: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunbookView:
    name: str
    title: str
    owner: str
    last_reviewed: str
    serves: tuple[str, ...]
    severity: str
    html: Markup


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportLine:
    """The drawn report of an incident. ``ready``: its page can be opened; else ``text`` says why
    not."""

    ready: bool
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExemplarLine:
    """One record that shows a drift. ``image`` is a data URI, or None where privacy keeps no
    pixels; ``value`` is None where the signal is no number."""

    record_id: str
    at: datetime
    value: float | None
    prediction: str
    where: str
    uri: str
    image: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExemplarGroup:
    signal: str
    records: tuple[ExemplarLine, ...]


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
    labels: tuple[tuple[str, str], ...] = field(default=())
    threshold: float = 0.0
    signal_shares: tuple[tuple[str, float], ...] = ()
    slice_shares: tuple[tuple[str, float], ...] = ()
    exemplars: tuple[ExemplarGroup, ...] = ()
    report: ReportLine | None = None
