"""The page of a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dashboards.console.readmodels.fleet import IncidentLine
from dashboards.console.readmodels.samples import (
    ClassShares,
    Distribution,
    EmbeddingMap,
    Reliability,
)
from dashboards.console.readmodels.streams import Marker, SignalSeries, SliceTable
from vigil.types import Outcome


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
class DataFaultLine:
    """One kind of faulty data in a span: how many records, where, and an example."""

    kind: str
    words: str
    records: int
    share: float
    where: str = ""
    example: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostLine:
    """What a model cost in ``span`` (``last hour``), in the view's currency. ``hours``: of all
    replicas together; ``per_thousand`` inferences is None where nothing was inferred."""

    span: str
    per_thousand: float | None
    total: float
    records: int
    hours: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelView:
    model: str
    deployment: str
    owner: str
    version: str
    task: str
    verified: bool
    status: Outcome
    named: str
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
    faults: tuple[DataFaultLine, ...] = ()
    has_schema: bool = False
    price: float | None = None
    currency: str = ""
    costs: tuple[CostLine, ...] = ()
