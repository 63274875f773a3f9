"""From a replay to an answer: is the budget kept, and what would break it first?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from scipy import stats

from detectors.streams import StreamKey
from monitor.audit.dependence import BLOCKS, LAGS
from monitor.audit.replay import AuditRun

FORMAT = 1
ALPHA = 0.05
MOST_NAMED = 10


class Judgement(StrEnum):
    """``within``: so many pages are no surprise under the budget. ``beyond``: they are."""

    WITHIN = "within"
    BEYOND = "beyond"


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedStream:
    model: str
    deployment: str
    slice: str
    signal: str

    @classmethod
    def of(cls, stream: StreamKey) -> NamedStream:
        return cls(
            model=stream.model,
            deployment=stream.deployment,
            slice=str(stream.slice),
            signal=stream.signal,
        )

    def __str__(self) -> str:
        return f"{self.signal} on {self.slice} ({self.model} in {self.deployment})"


@dataclass(frozen=True, kw_only=True, slots=True)
class PageLine:
    """One page that would have gone out; ``streams`` drifted in its episode."""

    at: datetime
    stream: NamedStream
    evidence: float
    windows_since_onset: int
    streams: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PeakLine:
    """How close a stream came: ``share`` of the threshold, at most, and when."""

    stream: NamedStream
    share: float
    at: datetime
    provisional: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakLine:
    """A stratum whose scores lean to one side; ``effect`` is their mean normal score there."""

    kind: str
    stratum: str
    stream: NamedStream
    effect: float
    p: float


@dataclass(frozen=True, kw_only=True, slots=True)
class KindLine:
    """One kind of stratum over the fleet: streams tested, streams that leak, the worst effect."""

    kind: str
    tested: int
    leaking: int
    worst: float
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceLine:
    """One slice: how many of its streams leak in some stratum."""

    slice: str
    leaking: int
    streams: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """One measure of dependence over the streams: median, 95th percentile, and the worst."""

    name: str
    median: float
    high: float
    worst: float
    stream: NamedStream


@dataclass(frozen=True, kw_only=True, slots=True)
class Left:
    """Windows that were not replayed, by reason."""

    of_incidents: int = 0
    unverified: int = 0
    unreadable: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Realised:
    """Pages that people called false, against what the budget allows in the same time.

    ``undecided``: pages of which nobody has said yet what they were.
    """

    days: float
    false_pages: int
    undecided: int
    budget_pages: float


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditReport:
    """The audit of a deployment. ``budget_pages``: what ``ticks`` ticks allow, T / A.

    ``p``: chance of so many pages or more where exactly the budget is expected (Poisson; pages of
    one episode are one). ``rate_low``, ``rate_high``: exact 95 % interval of pages per allowed
    page. ``run_length_days``: judged days per page; None without a page.
    """

    judgement: Judgement
    pages: int
    budget_pages: float
    p: float
    rate: float
    rate_low: float
    rate_high: float
    alarms: int
    within_tolerance: int
    unsure: int
    sharp_threshold: float
    sharp_alarms: int
    sharp_budget: float
    threshold: float
    window_s: float
    ticks: int
    learnt_ticks: int
    days: float
    first: datetime | None
    last: datetime | None
    streams: int
    models: int
    run_length_days: float | None
    score_mean: float
    score_sd: float
    page_lines: tuple[PageLine, ...]
    peaks: tuple[PeakLine, ...]
    memory: tuple[Memory, ...]
    kinds: tuple[KindLine, ...]
    leaks: tuple[LeakLine, ...]
    slices: tuple[SliceLine, ...]
    left_out: Left
    realised: Realised | None
    made_at: datetime
    seed: int
    duration_s: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values with ``format``, for JSON; times in ISO 8601."""
        return {"format": FORMAT, "verdict": verdict(self), **_plain(asdict(self))}


def report(
    run: AuditRun,
    *,
    window_s: float,
    made_at: datetime,
    seed: int = 0,
    left_out: Left | None = None,
    realised: Realised | None = None,
    duration_s: float = 0.0,
) -> AuditReport:
    """Judge a replay. Pure; the same run gives the same report."""
    pages, budget = len(run.pages), run.ticks / run.threshold
    p = float(stats.poisson.sf(pages - 1, budget)) if pages else 1.0
    low, high = poisson_interval(pages)
    days = run.ticks * window_s / 86_400.0
    n, mean, spread = run.moments
    known = n >= 2
    return AuditReport(
        judgement=Judgement.BEYOND if p < ALPHA else Judgement.WITHIN,
        pages=pages,
        budget_pages=budget,
        p=p,
        rate=_ratio(pages, budget),
        rate_low=_ratio(low, budget),
        rate_high=_ratio(high, budget),
        alarms=run.alarms,
        within_tolerance=run.within_tolerance,
        unsure=run.unsure,
        sharp_threshold=run.sharp_threshold,
        sharp_alarms=run.sharp_alarms,
        sharp_budget=run.ticks / run.sharp_threshold,
        threshold=run.threshold,
        window_s=window_s,
        ticks=run.ticks,
        learnt_ticks=run.learnt_ticks,
        days=days,
        first=run.first,
        last=run.last,
        streams=len(run.streams),
        models=len({(one.model, one.deployment) for one in run.streams}),
        run_length_days=days / pages if pages else None,
        score_mean=float(np.mean(mean[known])) if known.any() else 0.0,
        score_sd=float(np.mean(spread[known])) if known.any() else 0.0,
        page_lines=tuple(
            PageLine(
                at=page.at,
                stream=NamedStream.of(page.lead),
                evidence=page.evidence,
                windows_since_onset=page.tick - page.onset_tick + 1,
                streams=len(page.streams),
            )
            for page in run.pages
        ),
        peaks=tuple(
            PeakLine(
                stream=NamedStream.of(peak.stream),
                share=peak.evidence / run.threshold,
                at=peak.at,
                provisional=peak.provisional,
            )
            for peak in run.peaks[:MOST_NAMED]
        ),
        memory=_memory(run),
        kinds=_kinds(run),
        leaks=tuple(
            LeakLine(
                kind=leak.kind,
                stratum=leak.stratum,
                stream=NamedStream.of(run.streams[leak.stream]),
                effect=leak.effect,
                p=leak.p,
            )
            for leak in run.leaks[: 2 * MOST_NAMED]
        ),
        slices=_slices(run),
        left_out=left_out or Left(),
        realised=realised,
        made_at=made_at,
        seed=seed,
        duration_s=duration_s,
    )


def poisson_interval(count: int, level: float = 0.95) -> tuple[float, float]:
    """Garwood's exact interval of a Poisson mean; one-sided upwards where nothing was counted."""
    tail = (1.0 - level) / 2.0
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(stats.chi2.ppf(1.0 - (tail if count else 2 * tail), 2 * count + 2)) / 2
    return low, high


def verdict(found: AuditReport) -> str:
    """The answer in one sentence or two."""
    counted = (
        f"{found.pages} {'page' if found.pages == 1 else 'pages'} in {length(found.days)} over "
        f"{found.streams} streams; the budget allows {found.budget_pages:.2f}."
    )
    if found.judgement is Judgement.BEYOND:
        return (
            f"{counted} That is beyond the budget: chance gives so many with probability "
            f"{found.p:.2g}."
        )
    if found.pages > found.budget_pages:
        return f"{counted} Chance gives so many with probability {found.p:.2g}: no breach is shown."
    return f"{counted} The fleet is quiet enough."


def length(days: float) -> str:
    """A span for people: days, or hours and minutes where it is short."""
    if days >= 2:
        return f"{days:.1f} days"
    return f"{days * 24:.1f} hours" if days * 24 >= 2 else f"{days * 1440:.0f} minutes"


def _ratio(value: float, budget: float) -> float:
    return value / budget if budget > 0 else 0.0


def _memory(run: AuditRun) -> tuple[Memory, ...]:
    columns = [
        *((f"autocorrelation at lag {lag}", i, "a") for i, lag in enumerate(LAGS)),
        *((f"inflation of means of {b} windows", i, "b") for i, b in enumerate(BLOCKS)),
    ]
    out = []
    for name, i, which in columns:
        table = run.dependence.autocorrelation if which == "a" else run.dependence.inflation
        values = table[:, i] if len(table) else np.zeros(0)
        known = np.flatnonzero(np.isfinite(values))
        if not len(known):
            continue
        worst = int(known[np.argmax(np.abs(values[known]))])
        out.append(
            Memory(
                name=name,
                median=float(np.median(values[known])),
                high=float(np.quantile(values[known], 0.95)),
                worst=float(values[worst]),
                stream=NamedStream.of(run.streams[worst]),
            )
        )
    return tuple(out)


def _kinds(run: AuditRun) -> tuple[KindLine, ...]:
    out = []
    for tested in run.tested:
        mine = [leak for leak in run.leaks if leak.kind == tested.kind]
        out.append(
            KindLine(
                kind=tested.kind,
                tested=tested.streams,
                leaking=len(mine),
                worst=mine[0].effect if mine else 0.0,
                reason=tested.reason,
            )
        )
    return tuple(out)


def _slices(run: AuditRun) -> tuple[SliceLine, ...]:
    """The slices most of whose streams leak, largest share first."""
    total: dict[str, int] = {}
    for stream in run.streams:
        total[str(stream.slice)] = total.get(str(stream.slice), 0) + 1
    leaking: dict[str, set[int]] = {}
    for leak in run.leaks:
        leaking.setdefault(str(run.streams[leak.stream].slice), set()).add(leak.stream)
    lines = [
        SliceLine(slice=name, leaking=len(rows), streams=total[name])
        for name, rows in leaking.items()
    ]
    lines.sort(key=lambda one: (-one.leaking / one.streams, one.slice))
    return tuple(lines[:MOST_NAMED])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, StrEnum) else value
