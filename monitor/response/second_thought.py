"""The cause of an incident, thought over once its images were run through the version before.

A fault that begins soon after a release looks like the release's doing. Where the version before
drifts as much on the very same images, it is not: the world changed, and labels are the cure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.interlock import Interlock, InterlockOutcome
from alerts.incidents import Change, Transition
from alerts.types import Incident, TimelineEntry
from monitor.response import record, relabel
from monitor.settings.schema import WatchedModel
from monitor.store.tables import ActionRow
from vigil.types import Cause

KIND = "cause_revised"
_REVISED = (Cause.MODEL_REGRESSION, Cause.UNKNOWN)


def reconsider(
    session: Session,
    watched: WatchedModel | None,
    incident: Incident,
    interlock: Interlock,
    *,
    at: datetime,
) -> Incident:
    """The incident with the cause that the counterfactual leaves; images to label are proposed
    where the new cause calls for them.

    Raises:
        ConflictError: someone else moved the incident first.
    """
    if (
        interlock.outcome is not InterlockOutcome.NO_BETTER
        or incident.cause not in _REVISED
        or incident.labels.get("began_with_release") != "yes"
    ):
        return incident
    text = f"Not the release: {interlock.text}. The world changed, for both versions."
    revised = replace(
        incident,
        cause=Cause.DOMAIN_SHIFT,
        reasons=(text, *incident.reasons),
        version=incident.version + 1,
    )
    entry = TimelineEntry(at=at, kind=KIND, actor="vigil", text=text)
    incident = record.save(
        session,
        Transition(change=Change.CHANGED, incident=revised, entry=entry, reason="a second thought"),
    )
    known = select(ActionRow.id).where(
        ActionRow.incident_id == incident.id, ActionRow.kind == relabel.KIND
    )
    if watched is not None and session.scalar(known.limit(1)) is None:
        relabel.propose(session, watched, incident, at=at)
    return incident
