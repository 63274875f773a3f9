"""A rollback from proposal to execution: a row that moves by small, repeatable steps.

proposed -> refused | waiting | executing -> verifying -> recovered | unproven (decided by the tick)

Each step is a transaction of its own; a killed service goes on with the row as it stands. The
target carries a plan out once, however often it is asked. It is asked how the plan stands before
the plan is sent, and the guard judges once more before each sending: a plan that was not carried
out yet is withdrawn where something speaks against it by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from alerts import incidents
from alerts.actions.guard import Approval, Decision, GuardFacts, GuardOutcome, decide
from alerts.actions.interlock import Interlock, InterlockOutcome, judge
from alerts.actions.plan import RollbackPlan
from alerts.actions.replay import ReplayClient
from alerts.actions.targets.protocol import RollbackTarget, TargetReport, TargetState
from alerts.types import Incident, IncidentState, MessageEvent, Severity, TimelineEntry
from monitor.checks.references import References
from monitor.response import attempts, record
from monitor.response.announce import Announcer
from monitor.response.counterfactual import Versions, compare
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.settings.schema import WatchedModel
from monitor.store.commit import once_committed
from monitor.store.tables import (
    ActionRow,
    IncidentRow,
    ReleaseRow,
    SwitchRow,
    WindowRow,
)
from vigil.sample import Sample
from vigil.types import Cause

KIND = "rollback"
SERVED_WELL_WINDOWS = 20
_BEFORE_EXECUTION = ("proposed", "waiting")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What the target said, and what the guard held against sending the plan, if anything."""

    report: TargetReport
    held: Decision | None = None
    sent: bool = False


def propose(
    session: Session, watched: WatchedModel, incident: Incident, *, at: datetime
) -> ActionRow | None:
    """Note that a rollback is to be considered; None where the model has no target for one."""
    if watched.rollback.target == "none" or incident.cause is Cause.NO_DATA:
        return None
    target = previous_version(session, incident)
    plan = None
    if target is not None:
        plan = RollbackPlan(
            incident_id=incident.id,
            model=incident.model,
            deployment=incident.deployment,
            from_version=incident.model_version,
            to_version=target,
            target=watched.rollback.target,
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
    """The version that served before the one of the incident, by the record of releases."""
    rows = session.scalars(
        select(ReleaseRow)
        .where(ReleaseRow.model == incident.model, ReleaseRow.deployment == incident.deployment)
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
    ).all()
    for row in rows:
        if row.version == incident.model_version and row.previous:
            return row.previous
    return next((row.version for row in rows if row.version != incident.model_version), None)


class Rollbacks:
    """Moves rollback rows on. ``targets`` by (model, deployment); ``replays`` likewise."""

    def __init__(
        self,
        services: Services,
        announcer: Announcer,
        targets: Mapping[tuple[str, str], RollbackTarget],
        replays: Mapping[tuple[str, str], ReplayClient],
    ) -> None:
        self._services = services
        self._announcer = announcer
        self._targets = targets
        self._replays = replays
        self._references = References()

    def advance(self, action_id: int, fence: Fence = unfenced) -> None:
        """One step of one rollback; does nothing where there is nothing to do yet."""
        with self._services.sessions() as session:
            row = session.get(ActionRow, action_id)
            state = row.state if row else ""
        if state in _BEFORE_EXECUTION:
            self._decide(action_id, fence)
        elif state == "executing":
            self._execute(action_id, fence)

    def give_up(self, action_id: int, why: str) -> None:
        """End a rollback that can't be moved on; people must look."""
        with self._services.sessions.begin() as session:
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state not in (*_BEFORE_EXECUTION, "executing"):
                return
            now = self._services.clock.now()
            incident = record.get(session, row.incident_id)
            sent = bool(row.decision.get("sent"))
            self._fail(session, row, incident, now, why, critical=sent)

    def _decide(self, action_id: int, fence: Fence) -> None:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            row = session.get_one(ActionRow, action_id)
            incident = record.get(session, row.incident_id)
        known, tried = _interlock_from(row), False
        if known is None or known.outcome is InterlockOutcome.UNAVAILABLE:
            tried = attempts.is_due(row.decision, attempts.COUNTERFACTUAL, now)
            if known is None or tried:
                known = self._counterfactual(row, incident)
        serving = self._serving(incident)
        with self._services.sessions.begin() as session:
            fence(session)
            _hold(session, incident.model, incident.deployment)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state not in _BEFORE_EXECUTION:
                return
            incident = record.get(session, row.incident_id)
            now = self._services.clock.now()
            if tried:
                row.decision = attempts.later(row.decision, attempts.COUNTERFACTUAL, now)
            decision = decide(self._facts(session, row, incident, known, now, serving))
            self._record_decision(session, row, incident, decision, known, now)

    def _serving(self, incident: Incident) -> str | None:
        target = self._targets.get((incident.model, incident.deployment))
        return target.serving(incident.model, incident.deployment) if target else None

    def _counterfactual(self, row: ActionRow, incident: Incident) -> Interlock:
        """Images are read only where there is an endpoint to replay them."""
        client = self._replays.get((incident.model, incident.deployment))
        versions, sample = None, Sample.empty()
        if row.plan:
            plan = RollbackPlan.from_json(row.plan)
            with self._services.sessions() as session:
                versions = self._versions(session, plan)
                if versions is not None and client is not None:
                    sample = self._sample(session, incident, plan)
        if versions is None:
            return judge(None, None, why_unavailable="a version has no baseline")
        return compare(versions, sample, incident.slice, client)

    def _versions(self, session: Session, plan: RollbackPlan) -> Versions | None:
        current = self._references.of_version(session, plan.model, plan.from_version)
        target = self._references.of_version(session, plan.model, plan.to_version)
        if current is None or target is None:
            return None
        return Versions(
            model=plan.model, deployment=plan.deployment, current=current, target=target
        )

    def _sample(self, session: Session, incident: Incident, plan: RollbackPlan) -> Sample:
        """The incident's images that the current version saw, the latest first."""
        since = incident.onset_at or incident.detected_at
        parts = session.scalars(
            select(WindowRow.sample_part)
            .where(
                WindowRow.model == plan.model,
                WindowRow.deployment == plan.deployment,
                WindowRow.version == plan.from_version,
                WindowRow.end_at > since,
                WindowRow.sample_part.is_not(None),
            )
            .order_by(WindowRow.end_at.desc())
            .limit(200)
        ).all()
        return self._services.samples.read(
            [part for part in parts if part],
            model=plan.model,
            deployment=plan.deployment,
            version=plan.from_version,
            start=since,
            slice=incident.slice,
        )

    def _facts(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        interlock: Interlock | None,
        now: datetime,
        serving: str | None,
    ) -> GuardFacts:
        family = (incident.model, incident.deployment)
        watched = self._services.settings.model(*family)
        rules = watched.rollback if watched else WatchedModel(name="unknown").rollback
        plan = RollbackPlan.from_json(row.plan) if row.plan else None
        stop = session.get(SwitchRow, "actions_stopped", populate_existing=True)
        rollbacks = session.execute(_rollbacks_of(*family)).all()
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
            serving=serving,
            began_with_release=began,
            incident_is_open=incident.state.is_open,
            target_configured=family in self._targets,
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
            approval=approval,
            approval_expires_s=rules.approval_expires_s,
        )

    def _record_decision(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        decision: Decision,
        interlock: Interlock,
        now: datetime,
    ) -> None:
        before = row.state, str(row.decision.get("text", ""))
        row.decision = {
            **row.decision,
            **decision.to_json(),
            "text": decision.text,
            "interlock": {"outcome": interlock.outcome.value, "text": interlock.text},
        }
        row.updated_at = now
        if decision.outcome is GuardOutcome.REFUSE:
            row.state, row.finished_at = "refused", now
            row.result = {"text": f"Rollback refused: {decision.text}."}
            self._count(session, incident, "refused")
            self._tell(session, incident, now, "rollback_refused", row.result["text"])
        elif decision.outcome is GuardOutcome.WAIT:
            row.state = "waiting"
            row.result = {"text": f"Rollback waits: {decision.text}."}
            if before != ("waiting", decision.text) and before[0] != "waiting":
                self._tell(session, incident, now, "rollback_waits", row.result["text"])
        else:
            plan = RollbackPlan.from_json(row.plan)
            row.state = "executing"
            fresh = attempts.over(row.decision, attempts.TARGET)
            row.decision = {**fresh, "allowed_at": now.isoformat(), "sent": False}
            row.result = {"text": f"Rolling back {plan.text}: {decision.text}."}
            moved = incidents.start_mitigation(
                incident, at=now, actor=row.approved_by or "vigil", text=row.result["text"]
            )
            record.save(session, moved)

    def _execute(self, action_id: int, fence: Fence) -> None:
        with self._services.sessions() as session:
            row = session.get_one(ActionRow, action_id)
            incident = record.get(session, row.incident_id)
        now = self._services.clock.now()
        if not attempts.is_due(row.decision, attempts.TARGET, now):
            return
        plan = RollbackPlan.from_json(row.plan)
        family = (incident.model, incident.deployment)
        watched = self._services.settings.model(*family)
        dry = watched is not None and watched.rollback.dry_run
        asked = self._ask(action_id, plan, fence, dry=dry)
        with self._services.sessions.begin() as session:
            fence(session)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "executing":
                return
            incident = record.get(session, row.incident_id)
            now = self._services.clock.now()
            row.updated_at = now
            row.decision = {**row.decision, "receipt": dict(asked.report.receipt)}
            self._settle(session, row, incident, plan, asked, now, dry=dry)

    def _ask(self, action_id: int, plan: RollbackPlan, fence: Fence, *, dry: bool) -> _Asked:
        """How the plan stands; it is sent where it is not under way and the guard still agrees."""
        target = self._targets.get((plan.model, plan.deployment))
        if target is None:
            text = "no rollback target is configured any more"
            return _Asked(report=TargetReport(state=TargetState.FAILED, text=text))
        if not dry:
            report = target.status(plan)
            if report.state in (TargetState.EXECUTED, TargetState.PENDING):
                return _Asked(report=report, sent=True)
        else:
            report = TargetReport(state=TargetState.READY, text="not sent")
        with self._services.sessions.begin() as session:
            fence(session)
            _hold(session, plan.model, plan.deployment)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            incident = record.get(session, row.incident_id)
            known, sent = _interlock_from(row), bool(row.decision.get("sent"))
            # What serves is for the target to compare, in the same step in which it changes it.
            facts = self._facts(session, row, incident, known, self._services.clock.now(), None)
            decision = decide(facts)
            if decision.outcome is not GuardOutcome.ALLOW:
                return _Asked(report=report, held=decision, sent=sent)
            row.decision = {**row.decision, "sent": not dry}
        return _Asked(report=target.dry_run(plan) if dry else target.execute(plan), sent=True)

    def _settle(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        plan: RollbackPlan,
        asked: _Asked,
        now: datetime,
        *,
        dry: bool,
    ) -> None:
        report = asked.report
        perhaps_done = asked.sent and report.state is TargetState.UNCLEAR
        if asked.held is not None and not perhaps_done:
            self._withdraw(session, row, incident, asked.held, now)
        elif dry and report.state is TargetState.READY:
            row.state, row.finished_at = "done", now
            row.result = {"text": f"Rehearsed only (dry run): {plan.text}: {report.text}."}
            self._end_without_cure(session, incident, now, row.result["text"])
            self._count(session, incident, "dry_run")
        elif report.state is TargetState.EXECUTED:
            self._executed(session, row, incident, plan, now)
        elif report.state in (TargetState.CONFLICT, TargetState.FAILED):
            self._fail(session, row, incident, now, report.text)
        elif now > self._deadline(row):
            why = f"nothing says that it was carried out, though it may have been: {report.text}"
            self._fail(session, row, incident, now, why, critical=True)
        else:
            row.decision = attempts.later(row.decision, attempts.TARGET, now)
            held = f" (not sent again: {asked.held.text})" if asked.held else ""
            row.result = {"text": f"Rollback under way: {report.text}{held}."}

    def _withdraw(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        held: Decision,
        now: datetime,
    ) -> None:
        row.decision = {**row.decision, **held.to_json(), "text": held.text, "sent": False}
        row.result = {"text": f"Rollback withdrawn before it was carried out: {held.text}."}
        if held.outcome is GuardOutcome.REFUSE:
            row.state, row.finished_at = "refused", now
            self._count(session, incident, "refused")
        else:
            row.state = "waiting"
        self._end_without_cure(session, incident, now, row.result["text"])

    def _deadline(self, row: ActionRow) -> datetime:
        patience = timedelta(seconds=self._services.settings.checks.unproven_after_s)
        said = row.decision.get("allowed_at")
        return (datetime.fromisoformat(said) if said else row.created_at) + patience

    def _executed(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        plan: RollbackPlan,
        now: datetime,
    ) -> None:
        row.state, row.executed_at = "verifying", now
        row.result = {"text": f"Rolled back {plan.text}."}
        session.add(
            ReleaseRow(
                model=plan.model,
                deployment=plan.deployment,
                version=plan.to_version,
                previous=plan.from_version,
                started_at=now,
                origin="rollback",
                actor=row.approved_by or "vigil",
                known_good=True,
                note=f"incident {incident.id}",
            )
        )
        moved = incidents.mitigated(
            incident, at=now, actor=row.approved_by or "vigil", text=row.result["text"]
        )
        incident = record.save(session, moved)
        self._announcer.tell(
            session,
            incident,
            MessageEvent.UPDATE,
            at=now,
            note=row.result["text"],
            change=row.result["text"],
        )
        self._count(session, incident, "executed")
        if incident.onset_at:
            took = (now - incident.onset_at).total_seconds()
            metrics = self._services.metrics
            once_committed(
                session,
                lambda: metrics.observe("vigil_time_to_mitigate_seconds", max(0.0, took)),
            )

    def _fail(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        now: datetime,
        why: str,
        *,
        critical: bool = False,
    ) -> None:
        began = row.state == "executing"
        row.state, row.finished_at, row.updated_at = "failed", now, now
        row.result = {"text": f"Rollback failed: {why}."}
        if began:
            self._end_without_cure(session, incident, now, row.result["text"], critical=critical)
        else:
            self._tell(session, incident, now, "rollback_failed", row.result["text"])
        self._count(session, incident, "failed")

    def _end_without_cure(
        self,
        session: Session,
        incident: Incident,
        now: datetime,
        text: str,
        *,
        critical: bool = False,
    ) -> None:
        moved = incidents.mitigation_failed(incident, at=now, actor="vigil", text=text)
        if not moved.changed:
            self._tell(session, incident, now, "mitigation_failed", text)
            return
        incident = record.save(session, moved)
        if critical:
            worse = incidents.fired_again(
                incident,
                at=incident.last_firing_at,
                findings=(),
                severity=Severity.CRITICAL,
                reason="its rollback is not known to have been carried out",
            )
            incident = record.save(session, worse)
        self._announcer.tell(session, incident, MessageEvent.UPDATE, at=now, note=text)

    def _tell(
        self, session: Session, incident: Incident, now: datetime, kind: str, text: str
    ) -> None:
        record.note(
            session, incident.id, TimelineEntry(at=now, kind=kind, actor="vigil", text=text)
        )
        touched = record.touch(session, incident)
        self._announcer.tell(session, touched, MessageEvent.UPDATE, at=now, note=text)

    def _count(self, session: Session, incident: Incident, outcome: str) -> None:
        metrics = self._services.metrics
        once_committed(
            session,
            lambda: metrics.count(
                "vigil_rollbacks_total",
                model=incident.model,
                deployment=incident.deployment,
                outcome=outcome,
            ),
        )


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


def _rollbacks_of(model: str, deployment: str) -> Select[ActionRow, str]:
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


def _hold(session: Session, model: str, deployment: str) -> None:
    """Hold all rollbacks of a model until the commit: of two decisions at once, one comes second.

    In the order of their numbers, so that two holders do not wait for each other.
    """
    session.execute(_rollbacks_of(model, deployment).with_for_update(of=ActionRow)).all()


def _interlock_from(row: ActionRow) -> Interlock | None:
    """What was found before; None where nothing was tried yet."""
    said: dict[str, Any] = row.decision.get("interlock", {})
    if not said:
        return None
    return Interlock(outcome=InterlockOutcome(said["outcome"]), text=said["text"])
