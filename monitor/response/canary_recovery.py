"""Recovery of an incident that a canary opened: its candidate answers no more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import Incident
from monitor.response.recovery import Health
from monitor.store.tables import WindowRow

LABEL = "canary"
"""The incident's label that names the canary which opened it."""


def by_canary(incident: Incident) -> bool:
    return LABEL in incident.labels


def candidate_gone(
    session: Session, incident: Incident, *, since: datetime, at: datetime, windows: int
) -> Health:
    """Whether at least ``windows`` windows with records of other versions came after the last one
    of the candidate, all of them since ``since``."""
    mine = (
        WindowRow.model == incident.model,
        WindowRow.deployment == incident.deployment,
        WindowRow.records > 0,
        WindowRow.end_at <= at,
    )
    candidate = incident.model_version
    last = session.scalar(
        select(func.max(WindowRow.end_at)).where(*mine, WindowRow.version == candidate)
    )
    after = max(last, since) if last else since
    others = session.scalar(
        select(func.count())
        .select_from(WindowRow)
        .where(*mine, WindowRow.version != candidate, WindowRow.start_at >= after)
    )
    if not others or others < windows:
        return Health(recovered=False, text=f"{candidate} has answered of late")
    text = f"{candidate} answers no more; {others} windows of other versions have come since"
    return Health(recovered=True, text=text)
