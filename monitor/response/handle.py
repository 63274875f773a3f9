"""What follows from a diagnosis, and what follows from waiting: open, act, watch, close.

Runs inside the tick's transaction: the incident, its messages and the actions to consider commit
with the evidence that caused them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.external import is_external
from alerts.flapping import Damping
from alerts.grouping import Belongs
from alerts.types import AlertKind, Incident
from detectors.evidence.engine import FleetEvidence
from detectors.streams import StreamKey
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.checks.due import number_containing
from monitor.checks.recent import Family, RecentTicks
from monitor.checks.terrain import Terrain
from monitor.response import past, record, relabel, rollback_proposal
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge, within
from monitor.response.canary_recovery import by_canary, candidate_gone
from monitor.response.closing import Closing
from monitor.response.label_recovery import by_labels, only_labels
from monitor.response.milestones import Milestones
from monitor.response.recovery import Health, Measure, by_itself
from monitor.response.verification import Verification
from monitor.services import Services
from monitor.store.tables import ActionRow
from vigil.catalogue import base_of
from vigil.types import Slice

_RULES = (AlertKind.NO_DATA, AlertKind.HARD_FAULT)

Measures = Callable[[Family], Measure]


class Responder:
    """Opens and closes incidents."""

    def __init__(self, services: Services, announcer: Announcer, bridge: Bridge) -> None:
        self._services = services
        self._announcer = announcer
        self._bridge = bridge
        rules = services.settings.incidents
        damping = Damping(after=rules.flap_after, over_s=rules.flap_over_s)
        self._closing = Closing(announcer, damping)
        self._verification = Verification(services, announcer, self._closing)
        self._milestones = Milestones(services.metrics)

    def respond(
        self,
        session: Session,
        engine: FleetEvidence,
        diagnosis: Diagnosis,
        alarming: Sequence[StreamKey],
        *,
        onset_tick: int,
    ) -> Incident:
        """Drift was found: an incident, the actions to consider, and pools kept clean of it."""
        incident, belongs = self._bridge.raise_alert(session, diagnosis)
        if belongs in (Belongs.NEW, Belongs.REOPENS):
            self._propose(session, incident, diagnosis.at)
        engine.reset(alarming)
        engine.hold(touched(engine.streams, incident), since_tick=onset_tick)
        return incident

    def join(
        self,
        session: Session,
        engine: FleetEvidence,
        drifts: Sequence[Drift],
        alarming: Sequence[StreamKey],
        *,
        at: datetime,
        onset: datetime,
        onset_tick: int,
        terrain: Terrain,
    ) -> list[StreamKey]:
        """Give the streams that belong to an open incident to it; returns the others."""
        fresh: list[StreamKey] = []
        joined: dict[int, tuple[Incident, list[StreamKey]]] = {}
        for stream in alarming:
            incident = self._bridge.owner(session, stream, onset, at, terrain)
            if incident is None:
                fresh.append(stream)
            else:
                joined.setdefault(incident.id, (incident, []))[1].append(stream)
        for incident, streams in joined.values():
            mine = [drift for drift in drifts if drift.stream in streams]
            moved = self._bridge.still_firing(session, incident, mine, at)
            engine.reset(streams)
            engine.hold(touched(engine.streams, moved), since_tick=onset_tick)
        return fresh

    def respond_hard(self, session: Session, diagnosis: Diagnosis) -> Incident:
        """A plain rule fired: no evidence to reset, no pool to keep clean."""
        incident, belongs = self._bridge.raise_alert(session, diagnosis)
        if belongs is Belongs.NEW:
            self._propose(session, incident, diagnosis.at)
        return incident

    def respond_drift(self, session: Session, diagnosis: Diagnosis) -> Incident:
        """Traffic left its baseline: a ticket, or a page where a guardrail was crossed, with images
        to label where that is the cure. Never a rollback: the drift track knows no release."""
        incident, belongs = self._bridge.raise_alert(session, diagnosis)
        watched = self._services.settings.model(incident.model, incident.deployment)
        if belongs is Belongs.NEW and watched is not None:
            relabel.propose(session, watched, incident, at=diagnosis.at)
        return incident

    def close_ticket(self, session: Session, incident: Incident, text: str, at: datetime) -> None:
        """The drift track sees traffic near its baseline again."""
        self._closing.close(session, incident, Health(recovered=True, text=text), at)

    def _propose(self, session: Session, incident: Incident, at: datetime) -> None:
        watched = self._services.settings.model(incident.model, incident.deployment)
        if watched is None:
            return
        rollback_proposal.propose(session, watched, incident, at=at)
        kinds = select(ActionRow.kind).where(ActionRow.incident_id == incident.id)
        if relabel.KIND not in session.scalars(kinds).all():
            relabel.propose(session, watched, incident, at=at)

    def follow_up(
        self,
        session: Session,
        engine: FleetEvidence,
        recent: RecentTicks,
        measures: Measures,
        *,
        tick: int,
        at: datetime,
    ) -> None:
        """Look at every open incident: has it recovered, or did the cure fail to show?"""
        for incident in record.open_incidents(session):
            if is_external(incident):
                continue  # its sender says when it is over
            verifying = session.scalar(
                select(ActionRow).where(
                    ActionRow.incident_id == incident.id, ActionRow.state == "verifying"
                )
            )
            measure = measures((incident.model, incident.deployment))
            if verifying is not None:
                self._verification.verify(
                    session, recent, measure, incident, verifying, tick=tick, at=at
                )
            elif incident.kind is AlertKind.BASELINE_DRIFT or incident.kind.is_watched:
                continue  # the drift track closes its tickets, the watch what it opened
            elif incident.kind in _RULES:
                self._quiet(session, incident, at)
            else:
                self._trailing(session, recent, measure, incident, tick, at)
        for incident in past.dismissed(session):
            if is_external(incident):
                continue
            if incident.kind in _RULES:
                self._quiet(session, incident, at)
            elif incident.kind is not AlertKind.BASELINE_DRIFT and not incident.kind.is_watched:
                measure = measures((incident.model, incident.deployment))
                self._trailing(session, recent, measure, incident, tick, at)
        self._release(session, engine)
        self._milestones.export(session, at)

    def _release(self, session: Session, engine: FleetEvidence) -> None:
        """Streams are held while an incident that touches them is open, whoever closed it."""
        held = set(engine.held)
        if not held:
            return
        for incident in record.open_incidents(session):
            if incident.kind is AlertKind.BASELINE_DRIFT or incident.kind.is_watched:
                continue
            held.difference_update(touched(engine.streams, incident))
        engine.release(held, fresh_start=True)

    def _trailing(
        self,
        session: Session,
        recent: RecentTicks,
        measure: Measure,
        incident: Incident,
        tick: int,
        at: datetime,
    ) -> None:
        settings = self._services.settings
        window_s, windows = settings.service.window_s, settings.checks.recovered_windows
        if by_canary(incident):
            since = incident.last_firing_at
            health = candidate_gone(session, incident, since=since, at=at, windows=windows)
        elif only_labels(incident):
            since = incident.last_firing_at
            health = by_labels(
                session, incident, recent, measure, since=since, tick=tick, windows=windows
            )
        else:
            onset = number_containing(incident.onset_at or incident.detected_at, window_s)
            health = by_itself(
                incident, recent, measure, onset_tick=onset, tick=tick, windows=windows
            )
        if health.recovered:
            self._closing.close(session, incident, health, at)
        elif incident.state.is_open and not self._unproven(session, incident):
            self._closing.weigh(session, incident, health, at)

    @staticmethod
    def _unproven(session: Session, incident: Incident) -> bool:
        """Whether a rollback stayed without proof: then people decide how bad it is."""
        query = select(ActionRow.id).where(
            ActionRow.incident_id == incident.id, ActionRow.state == "unproven"
        )
        return session.scalar(query.limit(1)) is not None

    def _quiet(self, session: Session, incident: Incident, at: datetime) -> None:
        """A plain rule's incident is over when the rule has been silent for m windows.

        While a whole model is silent, nothing is known of its sources.
        """
        if incident.kind is AlertKind.NO_DATA and not incident.slice.is_whole:
            others = record.open_incidents(session, incident.model, incident.deployment)
            if any(one.kind is AlertKind.NO_DATA and one.slice.is_whole for one in others):
                return
        settings = self._services.settings
        quiet = settings.checks.recovered_windows * settings.service.window_s
        if at - incident.last_firing_at > timedelta(seconds=quiet + settings.service.lateness_s):
            health = Health(recovered=True, text="the rule that fired is kept again")
            self._closing.close(session, incident, health, at)


def touched(streams: Sequence[StreamKey], incident: Incident) -> list[StreamKey]:
    """The streams of the incident's model whose traffic may be the incident's."""
    mine = [
        stream
        for stream in streams
        if (stream.model, stream.deployment) == (incident.model, incident.deployment)
    ]
    if incident.slice.is_whole:
        return mine
    findings = {(base_of(finding.signal), finding.slice) for finding in incident.findings}
    return [
        stream
        for stream in mine
        if (base_of(stream.signal), stream.slice) in findings
        or _shares(stream.slice, incident.slice)
    ]


def _shares(one: Slice, other: Slice) -> bool:
    return within(one, other) or (within(other, one) and not one.is_whole)
