"""Healthy windows through the evidence engine once more: what would have paged?

Values in, values out: the engine is a fresh one, nothing live is touched. The ticks come in order
of time. The first ones teach: up to ``MOST_LEARNT`` scores at once, as a back-fill does, the others
of the burn-in as judged ticks that count for nothing. Then every tick is judged.

**What counts.** A stream *alarms* when its evidence reaches A. Where ``judge`` is given, it says of
each alarm what the product would: *drifted*, a change within the tolerance (evidence starts anew),
or not yet sure (evidence goes on; anew after ``PATIENCE`` ticks). A drifted stream is in an
*episode* until it has not alarmed for ``PATIENCE`` ticks, since in a replay nobody repairs
anything; its alarms in it count once, and its windows join no pool, as in the product. A *page* is
the first drifted stream of a model; those of the same model that follow within ``PATIENCE`` ticks
of it join it, since one cause shows in many streams: one incident, one page.

**The sharper look.** The guarantee holds at every threshold, and a small one allows more alarms in
the same time: a second engine with threshold A / ``SHARPER`` counts alarms of single streams, so
that two weeks say something although the budget allows half a page in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from detectors.evidence.engine import FleetEvidence, StepResult
from detectors.scores import ScoreBatch
from detectors.streams import StreamKey
from monitor.audit.dependence import Dependence, DependenceMeter
from monitor.audit.strata import Coverage, Leak, Strata
from monitor.checks.judge import Standing, standings
from monitor.checks.recent import Family
from vigil.types import Outcome

MOST_LEARNT = 3_000_000
"""Scores taught at once: half a gigabyte while they are, nine days of 226 streams."""

PATIENCE = 64
SHARPER = 100.0
LEAST_THRESHOLD = 50.0
_CLIP = 1e-12

Between = Callable[[StreamKey], float]
"""``FleetEvidence.between``: variance of a stream's healthy scores beyond sampling."""

Judge = Callable[[Sequence[Standing], int, Between], Mapping[StreamKey, Outcome]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AuditTick:
    """The scores of all models in one tick. ``teaches``: it belongs to the burn-in."""

    tick: int
    at: datetime
    batch: ScoreBatch
    teaches: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """What the live engine is made with; ``seed`` breaks ties among scores."""

    threshold: float
    min_history: int
    seed: int = 0


@dataclass(kw_only=True, slots=True)
class Page:
    """One page: the first stream that drifted, and those that joined it."""

    family: Family
    at: datetime
    tick: int
    onset_tick: int
    lead: StreamKey
    evidence: float
    streams: list[StreamKey] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """The largest evidence of a stream in the judged span, and when."""

    stream: StreamKey
    evidence: float
    at: datetime
    provisional: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AuditRun:
    """What a replay saw. N streams were judged.

    ``ticks``: judged ticks with data, over which the budget is reckoned. ``alarms``: times that
    a stream's evidence reached the threshold, whatever its effect; once an episode. ``sharp_*``:
    the sharper look.
    ``moments`` (3, N): number, mean and standard deviation of the normal scores.
    """

    threshold: float
    learnt_ticks: int
    ticks: int
    first: datetime | None
    last: datetime | None
    streams: tuple[StreamKey, ...]
    pages: tuple[Page, ...]
    alarms: int
    within_tolerance: int
    unsure: int
    sharp_threshold: float
    sharp_alarms: int
    peaks: tuple[Peak, ...]
    dependence: Dependence
    moments: NDArray[np.float64]
    leaks: tuple[Leak, ...]
    tested: tuple[Coverage, ...]


def replay(
    ticks: Iterable[AuditTick], settings: EngineSettings, *, judge: Judge | None = None
) -> AuditRun:
    """Run healthy ticks through a fresh engine.

    Args:
        ticks: in order of time, those that teach first.
        judge: what the product would say of the streams that alarm; None: every alarm is drift.

    Costs one engine step a tick and threshold, O(N) memory but for the scores taught at once.
    """
    run = _Replay(settings, judge)
    for one in ticks:
        run.take(one)
    return run.finish()


class _Replay:
    def __init__(self, settings: EngineSettings, judge: Judge | None) -> None:
        self._settings, self._judge = settings, judge
        self._engine = FleetEvidence(settings.threshold, settings.min_history)
        sharp = max(settings.threshold / SHARPER, min(LEAST_THRESHOLD, settings.threshold))
        self._sharp = FleetEvidence(sharp, settings.min_history)
        self._lesson: list[AuditTick] | None = []
        self._learnt = self._ticks = 0
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._index: dict[StreamKey, int] = {}
        self._places: dict[int, tuple[tuple[StreamKey, ...], NDArray[np.int64]]] = {}
        self._meter, self._strata = DependenceMeter(), Strata()
        self._moments = np.zeros((3, 0))
        self._peak = np.zeros(0)
        self._peak_at: list[datetime | None] = []
        self._provisional = np.zeros(0, bool)
        self._pages: list[Page] = []
        self._newest: dict[Family, Page] = {}
        self._episodes: dict[StreamKey, int] = {}
        self._pending: dict[StreamKey, int] = {}
        self._alarms = self._within = self._unsure = self._sharp_alarms = 0

    def take(self, one: AuditTick) -> None:
        if not len(one.batch):
            return
        if one.teaches:
            self._learnt += 1
            if self._lesson is None:
                self._warm(one)
                return
            self._lesson.append(one)
            if len(one.batch) * len(self._lesson) > MOST_LEARNT:
                self._teach()
            return
        if self._lesson is not None:
            self._teach()
        self._judge_tick(one)

    def finish(self) -> AuditRun:
        if self._lesson is not None:
            self._teach()
        streams = tuple(self._index)
        n, total, squares = self._moments
        with np.errstate(all="ignore"):
            mean = total / n
            spread = np.sqrt(np.maximum(squares / n - mean**2, 0.0))
        rng = np.random.default_rng([self._settings.seed, 0xA0D1])
        leaks, tested = self._strata.leaks(len(streams), rng)
        return AuditRun(
            threshold=self._settings.threshold,
            learnt_ticks=self._learnt,
            ticks=self._ticks,
            first=self._first,
            last=self._last,
            streams=streams,
            pages=tuple(self._pages),
            alarms=self._alarms,
            within_tolerance=self._within,
            unsure=self._unsure,
            sharp_threshold=self._sharp.threshold,
            sharp_alarms=self._sharp_alarms,
            peaks=self._peaks(streams),
            dependence=self._meter.result(),
            moments=np.stack([n, mean, spread]),
            leaks=leaks,
            tested=tested,
        )

    def _teach(self) -> None:
        lesson, self._lesson = self._lesson or [], None
        for engine in (self._engine, self._sharp):
            engine.learn([one.batch for one in lesson], at=[one.at for one in lesson])

    def _warm(self, one: AuditTick) -> None:
        """A tick of the burn-in that came after the lesson: pools grow, nothing counts."""
        for result, engine in self._step(one):
            engine.reset(_exceeded(result))

    def _step(self, one: AuditTick) -> list[tuple[StepResult, FleetEvidence]]:
        return [
            (
                engine.step(
                    one.batch,
                    tick=one.tick,
                    rng=np.random.default_rng([self._settings.seed, one.tick]),
                    at=one.at,
                ),
                engine,
            )
            for engine in (self._engine, self._sharp)
        ]

    def _judge_tick(self, one: AuditTick) -> None:
        self._ticks += 1
        self._first, self._last = self._first or one.at, one.at
        (result, engine), (sharp, probe) = self._step(one)
        loud = _exceeded(sharp)
        self._sharp_alarms += len(loud)
        probe.reset(loud)
        rows = self._rows(result.streams)
        self._note(one, result, rows)
        self._respond(one, result, engine)
        self._expire(one.tick, engine)

    def _rows(self, streams: tuple[StreamKey, ...]) -> NDArray[np.int64]:
        known = self._places.get(id(streams))
        if known is not None and known[0] is streams:
            return known[1]
        for stream in streams:
            self._index.setdefault(stream, len(self._index))
        rows = np.array([self._index[stream] for stream in streams], np.int64)
        more = len(self._index) - len(self._peak)
        if more:
            self._meter.grow(len(self._index))
            self._moments = np.concatenate([self._moments, np.zeros((3, more))], axis=1)
            self._peak = np.concatenate([self._peak, np.zeros(more)])
            self._provisional = np.concatenate([self._provisional, np.zeros(more, bool)])
            self._peak_at += [None] * more
        if len(self._places) >= 256:
            self._places.clear()
        self._places[id(streams)] = (streams, rows)
        return rows

    def _note(self, one: AuditTick, result: StepResult, rows: NDArray[np.int64]) -> None:
        settled = np.where(result.provisional, np.nan, result.p)
        scores = np.full(len(self._index), np.nan)
        scores[rows] = ndtri(np.clip(settled, _CLIP, 1 - _CLIP))
        seen = np.isfinite(scores)
        x = np.where(seen, scores, 0.0)
        self._moments += np.stack([seen, x, x * x])
        self._meter.add(one.tick, scores)
        self._strata.add(one.at, scores)
        higher = result.evidence > self._peak[rows]
        self._peak[rows[higher]] = result.evidence[higher]
        self._provisional[rows[higher]] = result.provisional[higher]
        for row in rows[higher].tolist():
            self._peak_at[row] = one.at

    def _respond(self, one: AuditTick, result: StepResult, engine: FleetEvidence) -> None:
        if not result.exceeded.any():
            return
        loud = [
            standing
            for family in standings(result).values()
            for standing in family
            if standing.exceeded
        ]
        said = self._judge(loud, one.tick, engine.between) if self._judge is not None else {}
        for standing in sorted(loud, key=lambda each: -each.evidence):
            stream = standing.stream
            fresh = stream not in self._pending and stream not in self._episodes
            self._alarms += fresh
            outcome = said.get(stream, Outcome.DRIFTED if self._judge is None else None)
            if outcome is Outcome.DRIFTED:
                self._pending.pop(stream, None)
                self._drifted(one, standing, engine)
            elif outcome is Outcome.HEALTHY:
                self._pending.pop(stream, None)
                self._within += 1
                engine.reset([stream])
            else:
                since = self._pending.setdefault(stream, one.tick)
                self._unsure += fresh
                if one.tick - since >= PATIENCE:
                    del self._pending[stream]
                    engine.reset([stream])

    def _drifted(self, one: AuditTick, standing: Standing, engine: FleetEvidence) -> None:
        stream = standing.stream
        if stream not in self._episodes:
            self._page_of(one, standing).streams.append(stream)
        self._episodes[stream] = one.tick
        engine.reset([stream])
        engine.hold([stream], since_tick=standing.onset_tick)

    def _page_of(self, one: AuditTick, standing: Standing) -> Page:
        """The page that the stream joins, else a new one."""
        family = standing.stream.model, standing.stream.deployment
        page = self._newest.get(family)
        if page is None or one.tick - page.tick > PATIENCE:
            page = self._newest[family] = Page(
                family=family,
                at=one.at,
                tick=one.tick,
                onset_tick=standing.onset_tick,
                lead=standing.stream,
                evidence=standing.evidence,
            )
            self._pages.append(page)
        return page

    def _expire(self, tick: int, engine: FleetEvidence) -> None:
        over = [stream for stream, last in self._episodes.items() if tick - last > PATIENCE]
        for stream in over:
            del self._episodes[stream]
        if over:
            engine.release(over, fresh_start=True)

    def _peaks(self, streams: tuple[StreamKey, ...]) -> tuple[Peak, ...]:
        order = np.argsort(-self._peak, kind="stable").tolist()
        return tuple(
            Peak(
                stream=streams[row],
                evidence=float(self._peak[row]),
                at=at,
                provisional=bool(self._provisional[row]),
            )
            for row in order
            if (at := self._peak_at[row]) is not None
        )


def _exceeded(result: StepResult) -> list[StreamKey]:
    return [result.streams[i] for i in np.flatnonzero(result.exceeded).tolist()]
