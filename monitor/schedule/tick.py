"""One fleet tick, in one transaction: what arrived is counted, judged, and acted upon, once.

The engine's state, the verdicts, the incidents and the messages they cause commit together with the
tick's own row. A tick that fails leaves nothing behind, and the next process does it again. What
fails in one model's share alone is left out: the other models are judged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from detectors.evidence.engine import FleetEvidence, StepResult
from detectors.scores import EMPTY, ScoreBatch, score
from detectors.streams import StreamKey
from monitor.checks import coverage, state
from monitor.checks.apart import Apart
from monitor.checks.due import due_ticks, end_of
from monitor.checks.gather import Gathered, Haul, gather, parts_of
from monitor.checks.hard import hard_diagnoses
from monitor.checks.history import refill
from monitor.checks.judge import Rules, measure, standings
from monitor.checks.points import Points
from monitor.checks.recent import Family, RecentTicks, Seen
from monitor.checks.references import References
from monitor.checks.returned import observe_return
from monitor.checks.verdict_rows import VerdictLog
from monitor.response.handle import Measures, Responder
from monitor.response.recovery import Measure
from monitor.schedule.drift import DriftTrack
from monitor.schedule.judging import Judging, Moment
from monitor.schedule.late_labels import LabelTracks
from monitor.services import Services
from monitor.serving import spans
from monitor.store.tables import LabelRow, TickRow, WindowRow
from monitor.store.windows import mark_judged
from vigil.types import Effect

log = logging.getLogger("vigil.schedule")

LATE = "~late"
"""Late windows are judged as streams of their own, beside those of their deployment."""

_RNG_STREAM = 0x7691


@dataclass(frozen=True, kw_only=True, slots=True)
class TickReport:
    """What one tick did."""

    tick: int
    windows: int
    streams: int
    drifted: int
    duration_ms: float


class FleetTick:
    """Runs ticks. Holds the evidence engine between them; reads it again where another wrote."""

    def __init__(self, services: Services, responder: Responder, *, holder: str) -> None:
        self._services = services
        self._responder = responder
        self._holder = holder
        self._window_s = services.settings.service.window_s
        self._references = References()
        self._points = Points(self._references, self._rules)
        self._judging = Judging(self._references, responder, self._rules, window_s=self._window_s)
        self._labels = LabelTracks(services.settings, self._references)
        self._drift = DriftTrack(services, self._references, responder)
        self._engine: FleetEvidence | None = None
        self._revision = state.NONE
        self._recent = RecentTicks()
        self._verdicts = VerdictLog()
        self._apart = Apart()
        self._left_out: set[Family] = set()

    def run_due(self) -> list[TickReport]:
        """Every tick that is due now, oldest first."""
        service = self._services.settings.service
        with self._services.sessions() as session:
            last = session.scalar(select(func.max(TickRow.id)))
            oldest = session.scalar(
                select(func.min(WindowRow.end_at)).where(
                    WindowRow.judged_by.is_(None), WindowRow.origin == "live"
                )
            )
        due = due_ticks(
            self._services.clock.now(),
            window_s=service.window_s,
            lateness_s=service.lateness_s,
            last=last,
            oldest_waiting=oldest,
            up_since=self._services.started_at,
            catch_up_s=max(service.lateness_s, 2.0),
        )
        done = [self.run(tick) for tick in due]
        return [report for report in done if report is not None]

    def run(self, tick: int) -> TickReport | None:
        """One tick; None where it was done already."""
        began = time.perf_counter()
        try:
            with self._services.sessions.begin() as session:
                report = self._run(session, tick, began)
        except IntegrityError:
            self._engine = None
            with self._services.sessions() as session:
                if session.get(TickRow, tick) is not None:
                    return None
            raise
        except BaseException:
            self._engine = None  # memory may be ahead of the database: read it again
            raise
        if report is not None:
            metrics = self._services.metrics
            metrics.count("vigil_ticks_total")
            metrics.observe("vigil_tick_duration_seconds", report.duration_ms / 1000.0)
            metrics.gauge("vigil_last_tick_timestamp_seconds", tick * self._window_s)
            self._points.export(metrics)
            for model, deployment in self._apart.failed:
                metrics.count("vigil_models_failed_total", model=model, deployment=deployment)
        return report

    def _run(self, session: Session, tick: int, began: float) -> TickReport | None:
        if session.get(TickRow, tick) is not None:
            return None
        end, now = end_of(tick, self._window_s), self._services.clock.now()
        row = TickRow(
            id=tick,
            end_at=end,
            started_at=now,
            duration_ms=0.0,
            windows=0,
            streams=0,
            holder=self._holder,
        )
        session.add(row)
        session.flush()
        engine = self._refresh(session, tick)
        self._apart = apart = Apart()
        haul = gather(session, self._references, apart, tick=tick, end=end, window_s=self._window_s)
        batch = self._scores(session, haul)
        models = [model for model in haul.models if model.family not in apart.failed]
        rng = np.random.default_rng([tick, _RNG_STREAM])
        result = engine.step(batch, tick=tick, rng=rng, at=end)
        self._tell_left_out(batch, result)
        novel = frozenset(
            stream for stream, flag in zip(batch.streams, batch.novel, strict=True) if flag
        )
        for model in models:
            self._recent.add(model.family, tick, model.on_time)
            observe_return(session, self._recent, model.family, window_s=self._window_s)
        self._recent.forget(tick)
        by_family = standings(result)
        self._labels.run(session, models, by_family, apart, tick=tick, at=now)
        moment = Moment(tick=tick, now=now, novel=novel, recent=self._recent, log=self._verdicts)
        drifted = 0
        for model in models:
            name, deployment = model.family
            for late, suffix in ((False, ""), (True, LATE)):
                family = by_family.get((name, deployment + suffix), [])
                if not any(one.exceeded for one in family):
                    continue
                with apart.writing(session, model.family):
                    drifted += self._judging.judge(
                        session, engine, model, family, moment, late=late
                    )
        self._plain_rules(session, models, tick, end, now)
        self._drift.run(session, self._recent, self._recent.families(), apart, tick=tick, at=now)
        for model in models:
            family = by_family.get(model.family, [])
            with apart.reading(model.family):
                self._points.write(session, model, family, self._recent, tick=tick, at=end)
        self._points.keep(self._recent.families())
        if tick % coverage.EVERY_TICKS == 0:
            coverage.write(session, engine, self._recent.families(), at=end)
        self._responder.follow_up(
            session, engine, self._recent, self._measures(session), tick=tick, at=now
        )
        if apart.failed:
            self._verdicts = VerdictLog.read(session, at=now)  # without what was undone
        loud = [s for s, flag in zip(result.streams, result.exceeded, strict=True) if flag]
        self._verdicts.settle(
            session, [*loud, *engine.held], tick=tick, at=now, threshold=engine.threshold
        )
        mark_judged(session, haul.window_ids, tick)
        spans.write(session, tick, window_s=self._window_s)
        _mark_labels(session, haul.label_ids, tick)
        self._revision = state.save(session, engine, over=self._revision, tick_id=tick, at=now)
        row.windows, row.streams = len(haul.window_ids), len(batch)
        row.duration_ms = 1000.0 * (time.perf_counter() - began)
        return TickReport(
            tick=tick,
            windows=row.windows,
            streams=row.streams,
            drifted=drifted,
            duration_ms=row.duration_ms,
        )

    def _scores(self, session: Session, haul: Haul) -> ScoreBatch:
        batches = []
        for model in haul.models:
            name, deployment = model.family
            with self._apart.reading(model.family):
                shares = []
                for seen, suffix in ((model.on_time, ""), (model.late, LATE)):
                    parts = parts_of(session, self._references, seen)
                    if parts:
                        shares.append(score(parts, name, deployment + suffix))
                batches += shares
        return ScoreBatch.join(batches) if batches else EMPTY

    def _tell_left_out(self, batch: ScoreBatch, result: StepResult) -> None:
        """Log once which models have more streams than there is room for."""
        scored = np.isfinite(batch.score) & np.isfinite(batch.noise)
        rows = np.flatnonzero(scored & np.isnan(result.p)).tolist()
        families = {(batch.streams[row].model, batch.streams[row].deployment) for row in rows}
        for family in sorted(families - self._left_out):
            log.warning("%s in %s: more slices than there is room for; some not judged", *family)
        self._left_out = families

    def _plain_rules(
        self,
        session: Session,
        models: Sequence[Gathered],
        tick: int,
        end: datetime,
        now: datetime,
    ) -> None:
        settings = self._services.settings
        missed = settings.checks.silent_after_windows * self._window_s
        settled = now - self._services.started_at > timedelta(
            seconds=missed + settings.service.lateness_s
        )
        for diagnosis in hard_diagnoses(
            session,
            models,
            settings,
            to_parts=lambda seen: parts_of(session, self._references, seen),
            end=end,
            at=now,
            watch_silence=settled,
            recent=self._recent,
            tick=tick,
        ):
            family = diagnosis.model.name, diagnosis.model.deployment
            with self._apart.writing(session, family):
                self._responder.respond_hard(session, diagnosis)

    def _rules(self, family: Family) -> Rules:
        watched = self._services.settings.model(*family)
        return Rules(
            tolerances=watched.tolerance if watched else {},
            objectives={"latency_s": watched.latency_objective_s} if watched else {},
            threshold=self._services.settings.threshold_ticks,
            between=self._engine.between if self._engine is not None else None,
        )

    def _measures(self, session: Session) -> Measures:
        """Each model's way of measuring effects, within one session."""

        def of(family: Family) -> Measure:
            def look(
                seen: Sequence[Seen], streams: Sequence[StreamKey]
            ) -> Mapping[StreamKey, Effect]:
                found: Mapping[StreamKey, Effect] = {}
                with self._apart.reading(family):
                    parts = parts_of(session, self._references, seen)
                    if parts:
                        found = measure(parts, streams, self._rules(family))
                return found

            return look

        return of

    def _refresh(self, session: Session, tick: int) -> FleetEvidence:
        """The engine as of the last tick, whoever ran that."""
        loaded = state.load(
            session,
            threshold=self._services.settings.threshold_ticks,
            min_history=self._services.settings.checks.min_history,
            known=self._revision if self._engine is not None else None,
        )
        if loaded is not None:
            self._engine, self._revision = loaded
            self._verdicts = VerdictLog.read(session, at=self._services.clock.now())
            self._recent = refill(session, self._references, before=tick, window_s=self._window_s)
        if self._engine is None:
            raise RuntimeError("the evidence engine can't be read")
        return self._engine


def _mark_labels(session: Session, ids: Sequence[int], tick: int) -> None:
    for first in range(0, len(ids), 500):
        session.execute(
            update(LabelRow)
            .where(LabelRow.id.in_(ids[first : first + 500]))
            .values(judged_by=tick)
            .execution_options(synchronize_session=False)
        )
