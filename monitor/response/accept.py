"""What an incident is about stays, and is right: its streams learn it as their new normal."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.types import AlertKind, Disposition, Incident, TimelineEntry
from detectors.evidence.engine import FleetEvidence
from detectors.streams import StreamKey
from monitor.checks import state
from monitor.response import people, record
from monitor.response.bridge import within
from monitor.settings.schema import Settings
from monitor.store import audit
from vigil.catalogue import base_of
from vigil.errors import ConflictError, VigilError

_NOTHING_LEARNT = (AlertKind.NO_DATA, AlertKind.HARD_FAULT)


def accept(
    session: Session,
    incident_id: int,
    *,
    reason: str,
    settings: Settings,
    actor: str,
    at: datetime,
    announcer: people.Teller | None = None,
) -> Incident:
    """Someone declares what the incident found to be normal, e.g. a new site that stays.

    Its streams begin anew and are mute until they have a history of their own; the incident is
    marked as expected and resolved. The tolerances of the baseline stay what they are.

    Raises:
        VigilError: no reason is given, or a plain rule raised the incident: it learns nothing.
        NotFoundError: no such incident.
        ConflictError: it is resolved, or someone changed it meanwhile.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise VigilError("accept: expected a reason, found none")
    # The evidence is locked before the incident, as a tick does.
    loaded = state.load(
        session,
        threshold=settings.threshold_ticks,
        min_history=settings.checks.min_history,
        known=None,
    )
    incident = record.get(session, incident_id)
    if incident.kind in _NOTHING_LEARNT:
        raise VigilError(
            f"incident {incident_id}: a plain rule fired ({incident.kind.value}); rules have no "
            "normal to learn"
        )
    if not incident.state.is_open:
        raise ConflictError(f"incident {incident_id} is resolved; it can't be accepted any more")
    count = 0
    if loaded is not None and loaded[1] != state.NONE:
        engine, revision = loaded
        streams = streams_of(engine, incident)
        engine.accept(streams)
        state.save(session, engine, over=revision, tick_id=None, at=at)
        count = len(streams)
    text = f"Accepted as the new normal by {actor}: {reason}"
    record.note(
        session,
        incident_id,
        TimelineEntry(at=at, kind="accepted", actor=actor, text=text, data={"streams": count}),
    )
    audit.record(
        session,
        what="incident accepted",
        subject=f"incident {incident_id}",
        actor=actor,
        at=at,
        reason=reason,
        slice=str(incident.slice),
        streams=count,
    )
    people.disposition(session, incident_id, Disposition.EXPECTED.value, actor=actor, at=at)
    return people.resolve(
        session,
        incident_id,
        actor=actor,
        at=at,
        note=f"accepted as the new normal: {reason}",
        announcer=announcer,
    )


def streams_of(engine: FleetEvidence, incident: Incident) -> list[StreamKey]:
    """All streams inside the incident's slice, and wherever else it was found."""
    found = {(base_of(finding.signal), finding.slice) for finding in incident.findings}
    return [
        stream
        for stream in engine.streams
        if (stream.model, stream.deployment) == (incident.model, incident.deployment)
        if within(stream.slice, incident.slice) or (base_of(stream.signal), stream.slice) in found
    ]
