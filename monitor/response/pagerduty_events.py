"""What someone does in PagerDuty happens to the incident here, and the other receivers follow.

Nothing of it is sent back to PagerDuty: it came from there.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.notifiers.pagerduty_webhook import Happened, PagerDutyEvent, our_incident
from alerts.types import Incident, MessageEvent, TimelineEntry
from monitor.response import people, record
from monitor.response.once import first_time
from monitor.response.people import Teller
from monitor.store import audit, installation
from monitor.store.tables import InboundEventRow, TimelineRow
from vigil.errors import NotFoundError

PROVIDER = "pagerduty"


def take(
    session: Session,
    event: PagerDutyEvent,
    *,
    receiver: str,
    webhook_id: str,
    at: datetime,
    announcer: Teller | None,
) -> str:
    """Do to our incident what was done to theirs; returns what came of it, for the log.

    The header's ``webhook_id`` is not signed and the event's own number is: both must be new.

    Raises:
        ConflictError: someone changed the incident at the same moment; take it again.
    """
    incident_id = _incident_id(session, event)
    seen = {event.id, webhook_id} - {""}
    fresh = [
        first_time(
            session,
            provider=PROVIDER,
            receiver=receiver,
            event_id=each,
            at=at,
            subject=event.their_id,
            incident_id=incident_id,
        )
        for each in sorted(seen)
    ]
    if not all(fresh):
        return "a repeat"
    if event.what is None:
        return "ignored: it moves nothing"
    if event.echo:
        return "ignored: an integration did it, not a person"
    if incident_id is None:
        return "ignored: it is about no incident of ours"
    try:
        incident = record.get(session, incident_id)
    except NotFoundError:
        return f"ignored: incident {incident_id} is not kept any more"
    if _is_stale(session, incident, event):
        return f"ignored: incident {incident.id} has reopened since"
    return _apply(session, incident, event, receiver=receiver, at=at, announcer=announcer)


def _apply(
    session: Session,
    incident: Incident,
    event: PagerDutyEvent,
    *,
    receiver: str,
    at: datetime,
    announcer: Teller | None,
) -> str:
    actor = f"pagerduty:{event.by}"
    is_open = incident.state.is_open
    if event.what is Happened.ACKNOWLEDGED and is_open:
        people.acknowledge(
            session, incident.id, actor=actor, at=at, announcer=announcer, told_by=receiver
        )
    elif event.what is Happened.RESOLVED and is_open:
        people.resolve(
            session, incident.id, actor=actor, at=at, announcer=announcer, told_by=receiver
        )
    elif event.what is Happened.REOPENED and not is_open:
        people.reopen(
            session, incident.id, actor=actor, at=at, announcer=announcer, told_by=receiver
        )
    elif event.what is Happened.ANNOTATED and event.text:
        text = f"{actor} noted: {event.text}"
        _note(session, incident, "note", text, actor, receiver, at, announcer)
    elif event.what is Happened.ESCALATED:
        text = f"Escalated in PagerDuty{f' to {event.text}' if event.text else ''}."
        _note(session, incident, "escalated", text, actor, receiver, at, announcer)
    else:
        return f"ignored: incident {incident.id} is {incident.state.value} already"
    return f"incident {incident.id}: {event.what}"


def _note(
    session: Session,
    incident: Incident,
    kind: str,
    text: str,
    actor: str,
    receiver: str,
    at: datetime,
    announcer: Teller | None,
) -> None:
    record.note(session, incident.id, TimelineEntry(at=at, kind=kind, actor=actor, text=text))
    audit.record(
        session,
        what=f"incident {kind}",
        subject=f"incident {incident.id}",
        actor=actor,
        at=at,
    )
    if announcer is not None and incident.state.is_open:
        touched = record.touch(session, incident)
        announcer.tell(session, touched, MessageEvent.UPDATE, at=at, note=text, told_by=receiver)


def _incident_id(session: Session, event: PagerDutyEvent) -> int | None:
    """By the key that it was triggered with; else by an earlier event of the same incident."""
    ours = our_incident(event.dedup_key, installation=installation.of(session))
    if ours is not None or not event.their_id:
        return ours
    return session.scalar(
        select(InboundEventRow.incident_id)
        .where(
            InboundEventRow.provider == PROVIDER,
            InboundEventRow.subject == event.their_id[:200],
            InboundEventRow.incident_id.is_not(None),
        )
        .order_by(InboundEventRow.id.desc())
        .limit(1)
    )


def _is_stale(session: Session, incident: Incident, event: PagerDutyEvent) -> bool:
    if event.occurred_at is None or event.what is Happened.REOPENED:
        return False
    reopened = session.scalar(
        select(func.max(TimelineRow.at)).where(
            TimelineRow.incident_id == incident.id, TimelineRow.kind == "reopened"
        )
    )
    return reopened is not None and event.occurred_at < reopened
