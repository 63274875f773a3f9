"""What the guard of a control is told, as the database and the settings have it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.guard_facts import Approval
from monitor.controls.guard import ControlFacts
from monitor.controls.manage import plan_of
from monitor.response.rollback_facts import rollbacks_of
from monitor.response.silences import freeze_of
from monitor.settings.schema import WatchedModel
from monitor.store import switches
from monitor.store.tables import ControlRow, IncidentRow, SwitchRow


def facts_of(
    session: Session,
    watched: WatchedModel | None,
    row: ControlRow,
    current: str | None,
    now: datetime,
    *,
    has_target: bool,
) -> ControlFacts:
    """``watched``: the model's settings; None where it is no longer watched. ``current``: the value
    now, where the target can tell."""
    rules = (watched or WatchedModel(name="unknown")).controls
    stop = session.get(SwitchRow, switches.ACTIONS_STOPPED, populate_existing=True)
    others = session.scalars(
        select(ControlRow).where(
            ControlRow.model == row.model,
            ControlRow.deployment == row.deployment,
            ControlRow.id != row.id,
            ControlRow.state.in_(("executing", "done")),
            ControlRow.updated_at > now - timedelta(days=1),
        )
    ).all()
    done = [one.executed_at for one in others if one.executed_at is not None]
    incident = session.get(IncidentRow, row.incident_id) if row.incident_id else None
    return ControlFacts(
        now=now,
        plan=plan_of(row),
        target_configured=has_target,
        current=current,
        needs_approval=row.what not in rules.without_approval,
        stopped_by=stop.actor if stop and stop.value == "true" else None,
        incident_is_open=incident is None or incident.state != "resolved",
        busy_with=_busy_with(session, row, others),
        changed_today=sum(at > now - timedelta(days=1) for at in done),
        max_per_day=rules.max_per_day,
        last_changed_at=max(done, default=None),
        cooldown_s=rules.cooldown_s,
        frozen_by=freeze_of(
            session,
            model=row.model,
            deployment=row.deployment,
            owner=watched.owner if watched else "",
            at=now,
        ),
        approval=_approval(row),
        approval_expires_s=rules.approval_expires_s,
    )


def _busy_with(session: Session, row: ControlRow, others: Sequence[ControlRow]) -> str | None:
    for one in others:
        if one.state == "executing":
            return f"control {one.id}"
    for action, _ in session.execute(rollbacks_of(row.model, row.deployment)):
        if action.state == "executing":
            return f"rollback {action.id}"
    return None


def _approval(row: ControlRow) -> Approval | None:
    said = row.decision.get("approval")
    if not said or row.approved_by is None:
        return None
    return Approval(
        plan_hash=str(said["plan_hash"]),
        by=row.approved_by,
        at=datetime.fromisoformat(said["at"]),
    )
