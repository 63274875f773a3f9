"""One model's share of a tick: verdicts of its streams; drift becomes an incident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from detectors.evidence.engine import FleetEvidence
from detectors.frame import Part
from detectors.streams import StreamKey
from monitor.checks.diagnose import Scene, diagnose
from monitor.checks.gather import Gathered, parts_of
from monitor.checks.judge import (
    CHANGE,
    Onset,
    Rules,
    Standing,
    drifts,
    is_stale,
    measure,
    newest_of,
    onset_of,
    verdicts,
)
from monitor.checks.label_onset import label_onset
from monitor.checks.recent import Family, RecentTicks
from monitor.checks.references import References
from monitor.checks.terrain import Terrain
from monitor.checks.verdict_rows import VerdictLog
from monitor.response.handle import Responder
from vigil.types import Effect, Outcome


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """One tick, as far as judging needs it."""

    tick: int
    now: datetime
    novel: frozenset[StreamKey]
    recent: RecentTicks
    log: VerdictLog


class Judging:
    """Judges models one by one, in the session of the tick."""

    def __init__(
        self,
        references: References,
        responder: Responder,
        rules: Callable[[Family], Rules],
        *,
        window_s: float,
    ) -> None:
        self._references = references
        self._responder = responder
        self._rules = rules
        self._window_s = window_s

    def judge(
        self,
        session: Session,
        engine: FleetEvidence,
        model: Gathered,
        family: Sequence[Standing],
        moment: Moment,
        *,
        late: bool,
    ) -> int:
        """Write verdicts and respond to drift; returns how many streams drifted.

        Args:
            family: the standings of the model's streams, or of its late ones.
            late: judge what came late, which is a span of its own.
        """
        tick, rules = moment.tick, self._rules(model.family)
        exceeded = [self._dated(session, one, tick) for one in family if one.exceeded]
        if not exceeded:
            return 0
        spans = _Spans(self, session, model, moment, late=late)
        onsets = {one.stream: tick if late else onset_of(one, tick) for one in exceeded}
        began = {
            one.stream: Onset.at_tick(tick, self._window_s)
            if late
            else Onset.of(one, tick, self._window_s)
            for one in exceeded
        }
        found: dict[StreamKey, Effect] = {}
        for onset in sorted(set(onsets.values())):
            streams = [stream for stream, start in onsets.items() if start == onset]
            parts = spans.since(onset)
            found |= measure(parts, streams, rules) if parts else {}
        found |= _own(exceeded)

        def over(first: int, streams: Sequence[StreamKey]) -> dict[StreamKey, Effect]:
            parts = spans.since(first)
            return measure(parts, streams, rules) if parts else {}

        said = verdicts(
            exceeded,
            found,
            newest={} if late else newest_of(exceeded, found, tick, over),
            version=model.main_version,
            rules=rules,
            at=moment.now,
            onsets=began,
        )
        moment.log.write(session, said, tick)
        spent = [
            one.stream
            for one, verdict in zip(exceeded, said, strict=True)
            if verdict.outcome is Outcome.HEALTHY or is_stale(one, verdict, tick)
        ]
        engine.reset(spent)
        alarming = [
            one
            for one, verdict in zip(exceeded, said, strict=True)
            if verdict.outcome is Outcome.DRIFTED
        ]
        if alarming:
            lead = max(alarming, key=lambda one: one.evidence).stream
            self._respond(
                session,
                engine,
                model,
                family,
                [one.stream for one in alarming],
                onset_tick=onsets[lead],
                onset=began[lead],
                spans=spans,
                moment=moment,
            )
        return len(alarming)

    def _dated(self, session: Session, one: Standing, tick: int) -> Standing:
        """Where labels speak, their predictions say since when."""
        if one.check == CHANGE:
            return one
        found = label_onset(
            session, one.stream, tick=tick, window_s=self._window_s, since_tick=one.onset_tick
        )
        if found is None:
            return one
        return replace(one, onset_tick=found.best, onset_first=found.first, onset_last=found.last)

    def _respond(
        self,
        session: Session,
        engine: FleetEvidence,
        model: Gathered,
        family: Sequence[Standing],
        alarming: Sequence[StreamKey],
        *,
        onset_tick: int,
        onset: Onset,
        spans: _Spans,
        moment: Moment,
    ) -> None:
        parts, rules = spans.since(onset_tick), self._rules(model.family)
        found = measure(parts, [one.stream for one in family], rules) | _own(family)
        beyond = drifts(family, found, parts, rules, moment.novel)
        fresh = self._responder.join(
            session,
            engine,
            beyond,
            alarming,
            at=moment.now,
            onset=onset.at,
            onset_tick=onset_tick,
            terrain=Terrain.of(parts),
        )
        if not fresh:
            return
        scene = Scene(
            family=model.family,
            version=model.main_version,
            alarming=fresh,
            drifts=beyond,
            parts=parts,
            rules=rules,
            recent=moment.recent,
            onset_tick=onset_tick,
            onset=onset,
            at=moment.now,
            window_s=self._window_s,
            to_parts=spans.between,
        )
        diagnosis = diagnose(session, scene)
        self._responder.respond(session, engine, diagnosis, fresh, onset_tick=onset_tick)


def _own(family: Sequence[Standing]) -> dict[StreamKey, Effect]:
    """The effects that came with their evidence, over more than the last 64 ticks."""
    return {one.stream: one.effect for one in family if one.effect is not None}


class _Spans:
    """The parts of a model over spans of recent ticks; what came late is one span."""

    def __init__(
        self, judging: Judging, session: Session, model: Gathered, moment: Moment, *, late: bool
    ) -> None:
        self._references = judging._references
        self._session, self._model, self._moment, self._late = session, model, moment, late

    def since(self, onset: int) -> Sequence[Part]:
        if self._late:
            return parts_of(self._session, self._references, self._model.late)
        return self.between(onset, self._moment.tick, None)

    def between(self, first: int, last: int, version: str | None) -> Sequence[Part]:
        seen = self._moment.recent.between(self._model.family, first, last, version=version)
        return parts_of(self._session, self._references, seen.values())
