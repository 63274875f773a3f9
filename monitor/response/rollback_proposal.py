"""Which rollback an incident calls for, and whether its target is known good."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.actions.plan import RollbackPlan
from alerts.types import Incident
from monitor.settings.schema import WatchedModel
from monitor.store import installation
from monitor.store.tables import ActionRow, IncidentRow, ReleaseRow, WindowRow
from vigil.types import Cause

KIND = "rollback"
ROLLBACK = "rollback"
SERVED_WELL_WINDOWS = 20

_ENDED = ("recovered", "unproven", "failed")


def propose(
    session: Session, watched: WatchedModel, incident: Incident, *, at: datetime
) -> ActionRow | None:
    """Note that a rollback is to be considered; None where the model has no target for one.

    An incident that came back after its rollback gets another one; one that was refused does not.
    """
    if watched.rollback.target == "none" or incident.cause is Cause.NO_DATA:
        return None
    earlier = session.scalars(
        select(ActionRow).where(ActionRow.incident_id == incident.id, ActionRow.kind == KIND)
    ).all()
    if earlier and not all(row.state in _ENDED for row in earlier):
        return None
    target = previous_version(session, incident)
    if target is None and earlier:
        return None
    plan = None
    if target is not None:
        plan = RollbackPlan(
            incident_id=incident.id,
            model=incident.model,
            deployment=incident.deployment,
            from_version=incident.model_version,
            to_version=target,
            target=watched.rollback.target,
            installation=installation.of(session),
            attempt=1 + len(earlier),
        )
    row = ActionRow(
        incident_id=incident.id,
        kind=KIND,
        state="proposed",
        plan=plan.to_json() if plan else {},
        plan_hash=plan.hash if plan else "none",
        created_at=at,
        updated_at=at,
    )
    session.add(row)
    session.flush()
    return row


def previous_version(session: Session, incident: Incident) -> str | None:
    """The version that served before the one of the incident, by the record of releases.

    What a rollback took out of service counts last: going back to it would go in a circle.
    """
    rows = session.scalars(
        select(ReleaseRow)
        .where(ReleaseRow.model == incident.model, ReleaseRow.deployment == incident.deployment)
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
    ).all()
    theirs = [row for row in rows if row.version == incident.model_version and row.previous]
    for row in sorted(theirs, key=lambda one: one.origin == ROLLBACK):
        return row.previous
    return next((row.version for row in rows if row.version != incident.model_version), None)


def known_good(session: Session, plan: RollbackPlan) -> bool:
    """Announced as known good, or it served at least 20 windows and no incident blames it."""
    announced = session.scalar(
        select(ReleaseRow.id).where(
            ReleaseRow.model == plan.model,
            ReleaseRow.deployment == plan.deployment,
            ReleaseRow.version == plan.to_version,
            ReleaseRow.known_good.is_(True),
        )
    )
    if announced is not None:
        return True
    blamed = session.scalar(
        select(IncidentRow.id).where(
            IncidentRow.model == plan.model,
            IncidentRow.deployment == plan.deployment,
            IncidentRow.model_version == plan.to_version,
            IncidentRow.cause == Cause.MODEL_REGRESSION.value,
            IncidentRow.disposition.is_distinct_from("false_alarm"),
        )
    )
    served = session.scalar(
        select(func.count())
        .select_from(WindowRow)
        .where(
            WindowRow.model == plan.model,
            WindowRow.deployment == plan.deployment,
            WindowRow.version == plan.to_version,
            WindowRow.records > 0,
        )
    )
    return blamed is None and (served or 0) >= SERVED_WELL_WINDOWS
