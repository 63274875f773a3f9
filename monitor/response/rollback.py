"""A rollback from proposal to execution: a row that moves by small, repeatable steps.

proposed -> refused | waiting | executing -> verifying -> recovered | unproven (decided by the tick)

Each step is a transaction of its own; a killed service goes on with the row as it stands. The
target carries a plan out once, however often it is asked. It is asked how the plan stands before
the plan is sent, and the guard judges once more before each sending: a plan that was not carried
out yet is withdrawn where something speaks against it by now.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.actions.guard import Decision, GuardOutcome, decide
from alerts.actions.guard_facts import GuardFacts
from alerts.actions.interlock import Interlock, InterlockOutcome
from alerts.actions.plan import RollbackPlan
from alerts.actions.replay import Replays
from alerts.actions.targets.protocol import RollbackTarget, TargetReport, TargetState
from alerts.types import Incident
from monitor.response import attempts, record
from monitor.response.announce import Announcer
from monitor.response.fence import Fence, unfenced
from monitor.response.rollback_facts import guard_facts, hold_rollbacks
from monitor.response.rollback_interlock import (
    Counterfactuals,
    interlock_from,
    is_old,
    to_json,
)
from monitor.response.rollback_news import RollbackNews
from monitor.response.rollback_readiness import (
    UNKNOWN,
    Readiness,
    from_decision,
    is_due,
    rehearsed,
)
from monitor.response.rollback_settling import Asked, Settlement, verified
from monitor.response.second_thought import reconsider
from monitor.response.shadow_pairs import ShadowPairs
from monitor.response.side_by_side import SideBySide, either
from monitor.services import Services
from monitor.store.tables import ActionRow

_BEFORE_EXECUTION = ("proposed", "waiting")


class Rollbacks:
    """Moves rollback rows on. ``targets`` by (model, deployment); ``replays`` likewise."""

    def __init__(
        self,
        services: Services,
        announcer: Announcer,
        targets: Mapping[tuple[str, str], RollbackTarget],
        replays: Mapping[tuple[str, str], Replays],
    ) -> None:
        self._services = services
        self._news = RollbackNews(announcer, services.metrics)
        patience_s = services.settings.checks.unproven_after_s
        self._settlement = Settlement(self._news, patience_s=patience_s)
        self._targets = targets
        self._counterfactuals = Counterfactuals(services, replays)
        self._shadow_pairs = ShadowPairs(services)
        self._side_by_side = SideBySide(services)

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
            self._news.failed(session, row, incident, now, why, critical=sent)

    def _decide(self, action_id: int, fence: Fence) -> None:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            row = session.get_one(ActionRow, action_id)
            incident = record.get(session, row.incident_id)
        before = interlock_from(row)
        known, tried = before, False
        if known is None or known.outcome is InterlockOutcome.UNAVAILABLE or is_old(row, now):
            tried = attempts.is_due(row.decision, attempts.COUNTERFACTUAL, now)
            if known is None or tried:
                known = self._counterfactuals.of(row, incident)
                if known.outcome is InterlockOutcome.UNAVAILABLE:
                    known = either(known, self._shadow_pairs.of(row, incident))
                if known.outcome is InterlockOutcome.UNAVAILABLE:
                    known = either(known, self._side_by_side.of(row, incident))
        ready = self._readiness(row, incident, known)
        with self._services.sessions.begin() as session:
            fence(session)
            hold_rollbacks(session, incident.model, incident.deployment)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state not in _BEFORE_EXECUTION:
                return
            incident = record.get(session, row.incident_id)
            now = self._services.clock.now()
            if tried:
                row.decision = attempts.later(row.decision, attempts.COUNTERFACTUAL, now)
            if known is not before:
                row.decision = {**row.decision, "interlock": to_json(known, now)}
            row.decision = ready.kept(row.decision)
            decision = decide(self._facts(session, row, incident, known, now, ready))
            self._record_decision(session, row, incident, decision, known, now)

    def _facts(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        interlock: Interlock | None,
        now: datetime,
        ready: Readiness,
    ) -> GuardFacts:
        family = (incident.model, incident.deployment)
        return guard_facts(
            session,
            self._services.settings.model(*family),
            row,
            incident,
            interlock,
            now,
            ready,
            has_target=family in self._targets,
        )

    def _readiness(self, row: ActionRow, incident: Incident, known: Interlock) -> Readiness:
        """What the target says. It is spared a rehearsal of what is refused in any case."""
        target = self._targets.get((incident.model, incident.deployment))
        if target is None:
            return UNKNOWN
        now = self._services.clock.now()
        serving = target.serving(incident.model, incident.deployment)
        if not row.plan or not is_due(row.decision, now):
            return from_decision(row.decision, serving)
        unasked = Readiness(serving=serving, said={})
        with self._services.sessions() as session:
            decision = decide(self._facts(session, row, incident, known, now, unasked))
        if decision.outcome is GuardOutcome.REFUSE:
            return unasked
        plan = RollbackPlan.from_json(row.plan)
        return rehearsed(target, plan, serving=serving, at=now)

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
        }
        row.updated_at = now
        if decision.outcome is GuardOutcome.REFUSE:
            row.state, row.finished_at = "refused", now
            row.result = {"text": f"Rollback refused: {decision.text}."}
            watched = self._services.settings.model(incident.model, incident.deployment)
            incident = reconsider(session, watched, incident, interlock, at=now)
            self._news.count(session, incident, "refused")
            self._news.tell(session, incident, now, "rollback_refused", row.result["text"])
        elif decision.outcome is GuardOutcome.WAIT:
            row.state = "waiting"
            row.result = {"text": f"Rollback waits: {decision.text}."}
            if before != ("waiting", decision.text) and before[0] != "waiting":
                self._news.tell(session, incident, now, "rollback_waits", row.result["text"])
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
            self._settlement.settle(session, row, incident, plan, asked, now, dry=dry)

    def _ask(self, action_id: int, plan: RollbackPlan, fence: Fence, *, dry: bool) -> Asked:
        """How the plan stands; it is sent where it is not under way and the guard still agrees."""
        target = self._targets.get((plan.model, plan.deployment))
        if target is None:
            text = "no rollback target is configured any more"
            return Asked(report=TargetReport(state=TargetState.FAILED, text=text))
        if not dry:
            report = target.status(plan)
            if report.state is TargetState.EXECUTED:
                return Asked(report=verified(target, plan, report), sent=True, done=True)
            if report.state is TargetState.PENDING:
                return Asked(report=report, sent=True)
        else:
            report = TargetReport(state=TargetState.READY, text="not sent")
        with self._services.sessions.begin() as session:
            fence(session)
            hold_rollbacks(session, plan.model, plan.deployment)
            row = session.get_one(ActionRow, action_id, with_for_update=True)
            if row.state != "executing":
                return Asked(report=report)
            incident = record.get(session, row.incident_id)
            known, sent = interlock_from(row), bool(row.decision.get("sent"))
            # What serves is for the target to compare, in the same step in which it changes it.
            facts = self._facts(session, row, incident, known, self._services.clock.now(), UNKNOWN)
            decision = decide(facts)
            if decision.outcome is not GuardOutcome.ALLOW:
                return Asked(report=report, held=decision, sent=sent, before=sent)
            row.decision = {**row.decision, "sent": not dry}
        if dry:
            return Asked(report=target.dry_run(plan), sent=True)
        report = target.execute(plan)
        done = report.state is TargetState.EXECUTED
        seen = verified(target, plan, report) if done else report
        return Asked(report=seen, sent=True, done=done, before=sent)
