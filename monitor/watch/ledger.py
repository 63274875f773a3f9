"""Troubles as incidents: opened when they last, resolved when they are over, each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import incidents
from alerts.severity import severity_of
from alerts.types import Alert, AlertKind, Incident, IncidentState, MessageEvent, TimelineEntry
from monitor.response import past, record
from monitor.response.people import Teller
from monitor.store.database import take_turns
from monitor.store.tables import IncidentRow
from monitor.watch.trouble import Trouble
from runbooks.library import Library
from vigil.types import WHOLE, Cause

_KINDS = tuple(kind.value for kind in AlertKind if kind.is_watched)
_TURN = 7_691_001


def watched_incidents(session: Session) -> list[Incident]:
    """The open incidents that the watch opened, oldest first."""
    rows = session.scalars(
        select(IncidentRow)
        .where(IncidentRow.kind.in_(_KINDS), IncidentRow.state != IncidentState.RESOLVED.value)
        .order_by(IncidentRow.id)
    )
    return [Incident.from_columns(row) for row in rows]


def left_alone(session: Session, firing: Mapping[str, Trouble]) -> list[Incident]:
    """Those that a person resolved while they lasted: nobody is told again until the trouble has
    been away, or there is more of it."""
    found = []
    for incident in past.dismissed(session):
        if incident.kind.is_watched:
            trouble = firing.get(incident.labels.get("check", ""))
            if trouble is None or trouble.amount <= int(incident.labels.get("amount", "0")):
                found.append(incident)
    return found


def incident_of(trouble: Trouble, library: Library, at: datetime, *, owner: str = "") -> Incident:
    """The incident that a trouble is, before it has a number."""
    model, deployment = trouble.family
    cause = Cause.NO_DATA if trouble.kind is AlertKind.LABELS_SILENT else Cause.UNKNOWN
    alert = Alert(
        labels={
            "alertname": trouble.kind.value,
            "model": model,
            "deployment": deployment,
            "check": trouble.key,
        },
        starts_at=at,
    )
    return Incident(
        id=0,
        group_key=f"{model}/{deployment}/{trouble.key}"[:400],
        fingerprint=alert.fingerprint,
        kind=trouble.kind,
        cause=cause,
        severity=severity_of(trouble.kind, WHOLE, ()),
        model=model,
        model_version="",
        deployment=deployment,
        slice=WHOLE,
        title=trouble.title,
        onset_at=trouble.since,
        detected_at=at,
        last_firing_at=at,
        reasons=trouble.reasons,
        labels={"owner": owner, "check": trouble.key, "amount": str(trouble.amount)},
        runbook=library.for_alert(trouble.kind.value).name,
    )


def settle(
    session: Session,
    firing: Mapping[str, Trouble],
    over: Sequence[Incident],
    announcer: Teller,
    library: Library,
    *,
    at: datetime,
) -> tuple[int, int]:
    """Open what is new and resolve what is over; returns how many of each.

    One process at a time, so that two of them open one incident.
    """
    take_turns(session, _TURN)
    quiet = [*watched_incidents(session), *left_alone(session, firing)]
    known = {incident.labels.get("check", "") for incident in quiet}
    opened = 0
    for key, trouble in firing.items():
        if key in known:
            continue
        entry = TimelineEntry(
            at=at,
            kind="detected",
            actor="vigil",
            text=f"{trouble.title}: {'; '.join(trouble.reasons)}.",
            data={"reasons": list(trouble.reasons)},
        )
        incident = record.create(session, incident_of(trouble, library, at), entry)
        announcer.tell(session, incident, MessageEvent.TRIGGER, at=at)
        opened += 1
    resolved = 0
    for incident in over:
        current = record.get(session, incident.id)
        if not current.state.is_open:
            record.save(session, incidents.went_quiet(current, at=at))
            continue
        text = "Recovered: what was wrong is right again."
        current = record.save(session, incidents.recovered(current, at=at, text=text))
        moved = incidents.resolve(current, at=at, actor="vigil", text="Resolved: it recovered.")
        announcer.tell(session, record.save(session, moved), MessageEvent.RESOLVE, at=at, note=text)
        resolved += 1
    return opened, resolved
