"""One fleet tick, in one transaction: what arrived is counted, judged, and acted upon, once.

The engine's state, the verdicts, the incidents and the messages they cause commit together with the
tick's own row. A tick that fails leaves nothing behind, and the next process does it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from detectors.evidence.engine import FleetEvidence, StepResult
from detectors.scores import EMPTY, ScoreBatch, score
from detectors.streams import StreamKey
from monitor.checks import state
from monitor.checks.diagnose import diagnose
from monitor.checks.due import due_ticks, end_of
from monitor.checks.gather import Gathered, Haul, gather, parts_of
from monitor.checks.hard import hard_diagnoses
from monitor.checks.judge import Rules, Standing, measure, onset_of, standings, verdicts
from monitor.checks.points import write_metrics, write_points
from monitor.checks.recent import KEPT_TICKS, Family, RecentTicks, Seen
from monitor.checks.references import References
from monitor.response.handle import Responder
from monitor.services import Services
from monitor.store.tables import LabelRow, TickRow, VerdictRow, WindowRow
from monitor.store.windows import mark_judged
from vigil.errors import RulerMismatchError
from vigil.types import Outcome, Verdict

log = logging.getLogger("vigil.tick")

LATE = "~late"
"""Late windows are judged as streams of their own, beside those of their deployment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TickReport:
    """What one tick did."""

    tick: int
    windows: int
    streams: int
    drifted: int
    duration_ms: float


class FleetTick:
    """Runs ticks. Holds the evidence engine between them, and reads it again where another wrote."""

    def __init__(self, services: Services, responder: Responder, *, holder: str) -> None:
        self._services = services
        self._responder = responder
        self._holder = holder
        self._references = References()
        self._engine: FleetEvidence | None = None
        self._revision: state.Revision | None = None
        self._recent = RecentTicks()

    def run_due(self) -> list[TickReport]:
        """Every tick that is due now, oldest first."""
        settings = self._services.settings
        with self._services.sessions() as session:
            last = session.scalar(select(func.max(TickRow.id)))
            oldest = session.scalar(
                select(func.min(WindowRow.end_at)).where(
                    WindowRow.judged_by.is_(None), WindowRow.origin == "live"
                )
            )
        due = due_ticks(
            self._services.clock.now(),
            window_s=settings.service.window_s,
            lateness_s=settings.service.lateness_s,
            last=last,
            oldest_waiting=oldest,
            up_since=self._services.started_at,
            catch_up_s=max(settings.service.lateness_s, 2.0),
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
            self._forget()
            with self._services.sessions() as session:
                if session.get(TickRow, tick) is not None:
                    return None
            raise
        except BaseException:
            self._forget()
            raise
        if report is not None:
            metrics = self._services.metrics
            metrics.count("vigil_ticks_total")
            metrics.observe("vigil_tick_duration_seconds", report.duration_ms / 1000.0)
            metrics.gauge(
                "vigil_last_tick_timestamp_seconds", tick * self._services.settings.service.window_s
            )
        return report

    def _run(self, session: Session, tick: int, began: float) -> TickReport | None:
        if session.get(TickRow, tick) is not None:
            return None
        window_s = self._services.settings.service.window_s
        end, now = end_of(tick, window_s), self._services.clock.now()
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
        haul = gather(session, self._references, tick=tick, end=end, window_s=window_s)
        batch = ScoreBatch.join([*_scores(haul)]) if haul.models else EMPTY
        result = engine.step(batch, tick=tick, rng=np.random.default_rng([tick, 0x7691]))
        for model in haul.models:
            self._recent.add(model.family, tick, model.on_time)
        novel = frozenset(
            stream for stream, flag in zip(batch.streams, batch.novel, strict=True) if flag
        )
        drifted = 0
        for model in haul.models:
            drifted += self._judge(session, model, result, novel, tick, end, now)
        self._plain_rules(session, haul, end, now)
        write_points(session, haul, result, self._recent, self._rules, tick=tick, at=end)
        self._responder.follow_up(session, engine, self._recent, self._measure, tick=tick, at=now)
        mark_judged(session, haul.window_ids, tick)
        _mark_labels(session, haul.label_ids, tick)
        self._revision = state.save(session, engine, tick_id=tick, at=now)
        row.windows, row.streams = len(haul.window_ids), len(batch.streams)
        row.duration_ms = 1000.0 * (time.perf_counter() - began)
        write_metrics(self._services.metrics, haul, result, self._recent, self._rules)
        return TickReport(
            tick=tick,
            windows=row.windows,
            streams=row.streams,
            drifted=drifted,
            duration_ms=row.duration_ms,
        )

    def _judge(
        self,
        session: Session,
        model: Gathered,
        result: StepResult,
        novel: frozenset[StreamKey],
        tick: int,
        end: datetime,
        now: datetime,
    ) -> int:
        """Verdicts of one model's on-time and late streams; drift becomes an incident."""
        engine = self._require_engine()
        name, deployment = model.family
        drifted = 0
        for late in (False, True):
            family = standings(result, name, deployment + LATE if late else deployment)
            exceeded = [one for one in family if one.exceeded]
            if not exceeded:
                continue
            onset = tick if late else onset_of(exceeded, tick)
            seen = model.late if late else tuple(
                self._recent.between(model.family, onset).values()
            )
            parts = parts_of(seen, self._baselines(session, model.family, seen))
            rules = self._rules(model.family)
            found = measure(parts, [one.stream for one in family], rules) if parts else {}
            window_s = self._services.settings.service.window_s
            said = verdicts(
                exceeded,
                found,
                version=_main_version(model),
                rules=rules,
                at=end,
                onset=end_of(onset - 1, window_s),
            )
            _write_verdicts(session, said, tick)
            engine.reset(
                StreamKey(v.model.name, v.model.deployment, v.slice, v.signal)
                for v in said
                if v.outcome is Outcome.HEALTHY
            )
            alarming = [one for one, v in zip(exceeded, said, strict=True)
                        if v.outcome is Outcome.DRIFTED]
            if not alarming:
                continue
            drifted += len(alarming)
            diagnosis = diagnose(
                session,
                model.family,
                family=family,
                alarming=alarming,
                found=found,
                parts=parts,
                seen=seen,
                novel=novel,
                rules=rules,
                recent=self._recent,
                baselines=self._baselines(session, model.family, seen),
                onset_tick=onset,
                window_s=window_s,
                at=now,
            )
            self._responder.respond(session, engine, diagnosis, alarming, onset_tick=onset)
        return drifted

    def _plain_rules(self, session: Session, haul: Haul, end: datetime, now: datetime) -> None:
        settings = self._services.settings
        up_for = now - self._services.started_at
        settled = up_for > timedelta(
            seconds=settings.checks.silent_after_windows * settings.service.window_s
            + settings.service.lateness_s
        )
        for diagnosis in hard_diagnoses(
            session, haul, settings, end=end, at=now, watch_silence=settled
        ):
            self._responder.respond_hard(session, diagnosis)

    def _rules(self, family: Family) -> Rules:
        watched = self._services.settings.model(*family)
        return Rules(
            tolerances=watched.tolerance if watched else {},
            objectives={"latency_s": watched.latency_objective_s} if watched else {},
            threshold=self._services.settings.threshold_ticks,
        )

    def _measure(
        self, session: Session, family: Family, seen: Iterable[Seen], streams: list[StreamKey]
    ) -> dict[StreamKey, object]:
        seen = list(seen)
        parts = parts_of(seen, self._baselines(session, family, seen))
        return dict(measure(parts, streams, self._rules(family))) if parts else {}

    def _baselines(self, session: Session, family: Family, seen: Iterable[Seen]) -> dict[str, object]:
        found = {}
        for one in seen:
            baseline = self._references.of_ruler(session, one.ruler)
            if baseline is not None:
                found[one.version] = baseline
        return found

    def _refresh(self, session: Session, tick: int) -> FleetEvidence:
        """The engine as of the last tick, whoever ran that."""
        settings = self._services.settings
        loaded = state.load(
            session,
            threshold=settings.threshold_ticks,
            min_history=settings.checks.min_history,
            known=self._revision if self._engine is not None else None,
        )
        if loaded is not None:
            self._engine, self._revision = loaded
            self._recent = refill(session, self._references, tick, settings.service.window_s)
        return self._require_engine()

    def _require_engine(self) -> FleetEvidence:
        if self._engine is None:
            raise RuntimeError("the evidence engine is loaded at the start of each tick")
        return self._engine

    def _forget(self) -> None:
        """What is in memory may be ahead of the database: read it again at the next tick."""
        self._engine, self._revision = None, None
