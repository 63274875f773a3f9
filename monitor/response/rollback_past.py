"""What earlier rollbacks, releases and open incidents say about a rollback that is considered."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.plan import RollbackPlan
from alerts.types import AlertKind, Incident
from monitor.response import record
from monitor.store.tables import ActionRow, IncidentRow, ReleaseRow
from vigil.types import Slice


def loop_of(session: Session, plan: RollbackPlan) -> str | None:
    """The rollback by which vigil itself took ``plan.to_version`` out of service, in words.

    None where a person has released it as known good since, or said that the incident behind that
    rollback was a false alarm.
    """
    taken = session.execute(
        select(ActionRow.id, ActionRow.plan, ActionRow.executed_at)
        .join(IncidentRow, IncidentRow.id == ActionRow.incident_id)
        .where(
            IncidentRow.model == plan.model,
            IncidentRow.deployment == plan.deployment,
            IncidentRow.disposition.is_distinct_from("false_alarm"),
            ActionRow.kind == "rollback",
            ActionRow.executed_at.is_not(None),
        )
        .order_by(ActionRow.executed_at.desc())
    )
    for number, before, at in taken:
        if before.get("from_version") != plan.to_version:
            continue
        since = session.scalar(
            select(ReleaseRow.id).where(
                ReleaseRow.model == plan.model,
                ReleaseRow.deployment == plan.deployment,
                ReleaseRow.version == plan.to_version,
                ReleaseRow.origin == "announced",
                ReleaseRow.known_good.is_(True),
                ReleaseRow.started_at > at,
            )
        )
        if since is not None:
            return None
        return (
            f"rollback {number} took {plan.to_version} out of service at {at:%Y-%m-%d %H:%M} UTC, "
            f"for {before.get('to_version')}"
        )
    return None


def data_missing(session: Session, incident: Incident) -> str | None:
    """The open incident that says that the traffic of this one does not arrive, in words."""
    for one in record.open_incidents(session, incident.model, incident.deployment):
        other = one.kind is AlertKind.NO_DATA and one.id != incident.id
        if other and _may_overlap(one.slice, incident.slice):
            return f"incident {one.id}: {one.title}"
    return None


def _may_overlap(one: Slice, other: Slice) -> bool:
    """Two slices by the same key are apart where its values differ."""
    values = dict(other.pairs)
    return all(values.get(key, value) == value for key, value in one.pairs)
