"""What the guard of a rollback is told, and the lock that lets one decide at a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from alerts.actions.guard_facts import Approval, GuardFacts
from alerts.actions.interlock import Interlock
from alerts.actions.plan import RollbackPlan
from alerts.types import Incident, IncidentState
from monitor.response.rollback_past import data_missing, loop_of
from monitor.response.rollback_proposal import KIND, known_good
from monitor.response.rollback_readiness import Readiness
from monitor.response.silences import freeze_of
from monitor.serving.builds import latest_build
from monitor.settings.schema import WatchedModel
from monitor.store.tables import ActionRow, IncidentRow, SwitchRow


def guard_facts(
    session: Session,
    watched: WatchedModel | None,
    row: ActionRow,
    incident: Incident,
    interlock: Interlock | None,
    now: datetime,
    ready: Readiness,
    *,
    has_target: bool,
) -> GuardFacts:
    """All that the guard looks at, as the database and the settings have it.

    Args:
        watched: the model's settings; None where it is no longer watched.
        row: the rollback. ``ready``: what the target says.
        has_target: a target is configured.
    """
    family = (incident.model, incident.deployment)
    rules = watched.rollback if watched else WatchedModel(name="unknown").rollback
    plan = RollbackPlan.from_json(row.plan) if row.plan else None
    stop = session.get(SwitchRow, "actions_stopped", populate_existing=True)
    rollbacks = session.execute(rollbacks_of(*family)).all()
    others = [(one, state) for one, state in rollbacks if one.id != row.id]
    executed = [one.executed_at for one, _ in others if one.executed_at is not None]
    busy = [
        one
        for one, state in others
        if one.state == "executing"
        or (one.state == "verifying" and state != IncidentState.RESOLVED.value)
    ]
    approval = None
    if row.approved_by:
        said = row.decision.get("approval", {})
        approval = Approval(
            plan_hash=str(said.get("plan_hash", row.plan_hash)),
            by=row.approved_by,
            at=datetime.fromisoformat(said["at"]) if "at" in said else row.updated_at,
        )
    began = incident.labels.get("began_with_release") == "yes"
    return GuardFacts(
        now=now,
        cause=incident.cause,
        plan=plan,
        known_good=plan is not None and known_good(session, plan),
        serving=ready.serving,
        undeployable=ready.undeployable,
        target_away=ready.away,
        schemas=_schemas(session, plan),
        loop=loop_of(session, plan) if plan else None,
        data_missing=data_missing(session, incident),
        began_with_release=began,
        incident_is_open=incident.state.is_open,
        target_configured=has_target,
        automatic=rules.automatic,
        dry_run=rules.dry_run,
        stopped_by=stop.actor if stop and stop.value == "true" else None,
        cooldown_s=rules.cooldown_s,
        last_rollback_at=max(executed, default=None),
        max_per_day=rules.max_per_day,
        rollbacks_today=sum(at > now - timedelta(days=1) for at in executed),
        busy_with=f"rollback {busy[0].id}" if busy else None,
        interlock=interlock,
        provisional=bool(incident.findings)
        and all(finding.provisional for finding in incident.findings),
        frozen_by=freeze_of(
            session,
            model=incident.model,
            deployment=incident.deployment,
            owner=watched.owner if watched else "",
            at=now,
        ),
        approval=approval,
        approval_expires_s=rules.approval_expires_s,
    )


def _schemas(session: Session, plan: RollbackPlan | None) -> tuple[str, str]:
    if plan is None:
        return "", ""
    builds = [
        latest_build(session, plan.model, plan.deployment, version)
        for version in (plan.from_version, plan.to_version)
    ]
    return builds[0].schema, builds[1].schema


def rollbacks_of(model: str, deployment: str) -> Select[ActionRow, str]:
    """Every rollback of a model with its incident's state, in the order of their numbers."""
    return (
        select(ActionRow, IncidentRow.state)
        .join(IncidentRow, IncidentRow.id == ActionRow.incident_id)
        .where(
            IncidentRow.model == model,
            IncidentRow.deployment == deployment,
            ActionRow.kind == KIND,
        )
        .order_by(ActionRow.id)
    )


def hold_rollbacks(session: Session, model: str, deployment: str) -> None:
    """Hold all rollbacks of a model until the commit: of two decisions at once, one comes second.

    In the order of their numbers, so that two holders do not wait for each other.
    """
    session.execute(rollbacks_of(model, deployment).with_for_update(of=ActionRow)).all()
