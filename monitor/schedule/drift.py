"""The drift track's share of a tick: its step, its verdicts, and the tickets that follow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from alerts.types import AlertKind, Incident
from detectors.evidence.band import BandEvidence
from detectors.streams import StreamKey
from monitor.checks.apart import Apart
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.checks.drift_track import (
    Cadence,
    Crossing,
    Guardrails,
    common_slice,
    crossings,
    step_of,
    tolerances,
)
from monitor.checks.gather import parts_of
from monitor.checks.recent import Family, RecentTicks
from monitor.checks.references import References
from monitor.checks.terrain import Terrain
from monitor.checks.verdict_rows import write_verdicts
from monitor.response import past, record
from monitor.response.handle import Responder
from monitor.services import Services
from monitor.store.tables import StateRow
from vigil.catalogue import signal_of
from vigil.types import Cause, ModelRef, Outcome, SignalKind, Verdict

DRIFT = "drift"
"""The name of its row of state; ``tick_id`` is the tick of its last step."""


class DriftTrack:
    """Steps when it is due. Holds no state of its own: that is read and written with the step."""

    def __init__(self, services: Services, references: References, responder: Responder) -> None:
        self._responder = responder
        self._references = references
        self._cadence = Cadence.of(services.settings)
        self._guardrails = Guardrails(services.settings)
        self._tolerance = tolerances(services.settings, self._guardrails)

    def run(
        self,
        session: Session,
        recent: RecentTicks,
        families: Collection[Family],
        apart: Apart,
        *,
        tick: int,
        at: datetime,
    ) -> bool:
        """Step where one is due, in the session of the tick; says whether it did."""
        last = session.execute(select(StateRow.tick_id).where(StateRow.name == DRIFT)).first()
        if last is None:
            session.add(StateRow(name=DRIFT, tick_id=tick, updated_at=at, blob=b""))
            return False
        if tick - (last.tick_id or 0) < self._cadence.every:
            return False
        track = self._load(session)
        result = step_of(
            session,
            self._references,
            recent,
            track,
            families,
            apart,
            tick=tick,
            ticks=tick - (last.tick_id or 0),
            tolerance=self._tolerance,
        )
        if result is not None:
            found = crossings(track, result, self._guardrails, self._tolerance)
            for family in sorted(found):
                with apart.writing(session, family):
                    self._respond(session, recent, family, found[family], tick=tick, at=at)
            track.reset(one.stream for each in found.values() for one in each)
            self._close(session, track, at, tick=tick)
        values = {"tick_id": tick, "updated_at": at, "blob": track.to_bytes()}
        session.execute(update(StateRow).where(StateRow.name == DRIFT).values(**values))
        return True

    def _load(self, session: Session) -> BandEvidence:
        blob = session.scalars(select(StateRow.blob).where(StateRow.name == DRIFT)).one()
        cadence = self._cadence
        if not blob:
            return BandEvidence(cadence.threshold, memory=float(cadence.over))
        track = BandEvidence.from_bytes(blob)
        track.threshold, track.memory = cadence.threshold, float(cadence.over)
        return track

    def _respond(
        self,
        session: Session,
        recent: RecentTicks,
        family: Family,
        found: Sequence[Crossing],
        *,
        tick: int,
        at: datetime,
    ) -> None:
        seen = recent.between(family, tick - self._cadence.every + 1, tick)
        parts = parts_of(session, self._references, seen.values())
        terrain = Terrain.of(parts)
        version = max(seen.values(), key=lambda one: one.records).version if seen else ""
        model = ModelRef(name=family[0], version=version, deployment=family[1])
        write_verdicts(session, [self._verdict(one, model, at) for one in found], tick)
        sure = [one for one in found if one.sure]
        owned = [
            one
            for one in record.open_incidents(session, *family)
            if one.kind is not AlertKind.BASELINE_DRIFT
        ]
        for crossed in (True, False):
            mine = [one for one in sure if (one.margin is not None) is crossed]
            fresh = [one for one in mine if not _owner(one.stream, owned, terrain)]
            if fresh:
                diagnosis = self._diagnosis(fresh, model, at, terrain, ticket=not crossed)
                self._responder.respond_drift(session, diagnosis)

    def _diagnosis(
        self,
        found: Sequence[Crossing],
        model: ModelRef,
        at: datetime,
        terrain: Terrain,
        *,
        ticket: bool,
    ) -> Diagnosis:
        cause, why = cause_of(one.stream.signal for one in found)
        what = "beyond the tolerance" if ticket else "beyond a guardrail's margin"
        return Diagnosis(
            model=model,
            slice=common_slice([one.stream.slice for one in found]),
            cause=cause,
            reasons=(f"traffic is {what} from the training baseline", why),
            drifts=tuple(self._drift(one) for one in found),
            onset=None,
            at=at,
            ticket=ticket,
            terrain=terrain,
        )

    def _drift(self, one: Crossing) -> Drift:
        """With evidence in ticks, as all findings have it."""
        every = self._cadence.every
        return Drift(
            stream=one.stream,
            effect=one.effect,
            evidence=one.evidence * every,
            threshold=one.threshold * every,
            novel=False,
            provisional=False,
            reason="" if one.margin is None else f"guardrail: {one.margin:g} at most",
        )

    def _verdict(self, one: Crossing, model: ModelRef, at: datetime) -> Verdict:
        effect = one.effect
        figures = f"{effect.value:.3f} ({effect.low:.3f} to {effect.high:.3f} {effect.unit})"
        rule = "tolerance" if one.margin is None else "guardrail"
        return Verdict(
            check=DRIFT,
            model=model,
            signal=one.stream.signal,
            slice=one.stream.slice,
            outcome=Outcome.DRIFTED if one.sure else Outcome.INCONCLUSIVE,
            score=effect.value,
            effect=effect,
            evidence=one.evidence,
            threshold=one.threshold,
            onset=None,
            at=at,
            reason=f"{figures} from the training baseline; {rule} {effect.tolerance:.3f}",
        )

    def _close(self, session: Session, track: BandEvidence, at: datetime, *, tick: int) -> None:
        """Close the tickets whose findings are surely within their tolerance again: those on the
        ticket's own slice, where there are any."""
        for incident in [*record.open_incidents(session), *past.dismissed(session)]:
            if incident.kind is not AlertKind.BASELINE_DRIFT or incident.last_firing_at >= at:
                continue
            telling = [one for one in incident.findings if one.slice == incident.slice]
            streams = [
                StreamKey(incident.model, incident.deployment, one.slice, one.signal)
                for one in telling or incident.findings
            ]
            effects = [track.recent([stream], [self._tolerance(stream)])[:1] for stream in streams]
            if effects and all(each and each[0].is_small for each in effects):
                worst = max((each[0] for each in effects), key=lambda one: one.high)
                text = f"drift is {worst.value:.3f}, {worst.high:.3f} at most, again"
                self._responder.close_ticket(session, incident, text, at)


def _owner(stream: StreamKey, incidents: Sequence[Incident], terrain: Terrain) -> bool:
    """Whether an open incident covers the stream: people know already."""
    return any(terrain.within(stream.slice, one.slice) for one in incidents)


def cause_of(signals: Iterable[str]) -> tuple[Cause, str]:
    """What slow drift says of its cause: predictions or embeddings that moved are a domain shift,
    images alone an input fault."""
    kinds = {known.kind for name in signals if (known := signal_of(name)) is not None}
    if kinds & {SignalKind.EMBEDDING, SignalKind.PREDICTION}:
        return Cause.DOMAIN_SHIFT, "predictions or embeddings moved with it"
    if SignalKind.IMAGE in kinds:
        return Cause.INPUT_FAULT, "only image statistics moved"
    return Cause.UNKNOWN, "which signals moved does not tell why"
