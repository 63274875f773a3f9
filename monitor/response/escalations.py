"""The next step, while nobody acknowledges: one at a time, each in a transaction of its own."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.pipeline.case import Notice
from alerts.pipeline.decision import Outcome
from alerts.routing.escalation import Policy, Step
from alerts.types import Incident, MessageEvent, TimelineEntry
from monitor.response import facts, record
from monitor.response.announce import Announcer
from monitor.response.escalation_state import EXHAUSTED, STOPPED, WAITING
from monitor.response.fence import Fence, unfenced
from monitor.response.one_by_one import one_by_one
from monitor.services import Services
from monitor.store.tables import EscalationRow, IncidentRow

MUTED_S = 30.0
"""A step that is due while the incident is muted is looked at again after so long."""


class Escalations:
    """Takes the steps that are due."""

    def __init__(self, services: Services, announcer: Announcer) -> None:
        self._services = services
        self._announcer = announcer

    def run_due(self, fence: Fence = unfenced) -> int:
        """Take one step of each escalation that is due; returns how many were looked at.

        Args:
            fence: refuses to commit where another process took over.
        """
        now = self._services.clock.now()
        with self._services.sessions() as session:
            due = session.scalars(
                select(EscalationRow.incident_id)
                .where(EscalationRow.state == WAITING, EscalationRow.due_at <= now)
                .order_by(EscalationRow.due_at)
            ).all()
        one_by_one("escalation of incident", due, lambda each: self._take(each, now, fence))
        return len(due)

    def _take(self, incident_id: int, now: datetime, fence: Fence) -> None:
        with self._services.sessions.begin() as session:
            fence(session)
            # people's changes lock the incident, then its escalation: so does a step
            session.get(IncidentRow, incident_id, with_for_update=True)
            row = session.scalar(
                select(EscalationRow)
                .where(
                    EscalationRow.incident_id == incident_id,
                    EscalationRow.state == WAITING,
                    EscalationRow.due_at <= now,
                )
                .with_for_update(skip_locked=True)
            )
            if row is not None:
                self._step(session, row, now)

    def _step(self, session: Session, row: EscalationRow, now: datetime) -> None:
        incident = record.get(session, row.incident_id)
        policy = self._announcer.policies.get(row.policy)
        why_not = _over(incident, row, policy)
        step = policy.step(row.step) if policy else None
        if why_not or policy is None or step is None:
            row.state, row.due_at, row.reason = STOPPED, None, why_not or "it has no step left"
            return
        muted = self._muted(session, incident, now)
        if muted:
            row.due_at, row.reason = now + timedelta(seconds=MUTED_S), f"waits: {muted}"
            return
        self._tell(session, incident, policy, step, row.step, now)
        row.step += 1
        row.reason = f"{policy.told(row.step - 1)} was taken at {now:%Y-%m-%d %H:%M:%S} UTC"
        row.due_at = policy.due(row.step, now)
        if row.due_at is None:
            row.state = EXHAUSTED

    def _muted(self, session: Session, incident: Incident, now: datetime) -> str:
        """What holds it back; empty where nothing does."""
        case = self._announcer.case(session, incident, MessageEvent.UPDATE, at=now)
        decisions = self._announcer.pipeline.mutes(case).decisions
        return "; ".join(each.reason for each in decisions if each.outcome is Outcome.STOP)

    def _tell(
        self,
        session: Session,
        incident: Incident,
        policy: Policy,
        step: Step,
        taken: int,
        now: datetime,
    ) -> None:
        incident = record.touch(session, incident)
        to = ", ".join(step.receivers)
        text = (
            f"Escalated to {to} ({policy.told(taken)}): nobody acknowledged it within "
            f"{step.after_s:g} s."
        )
        data = {"policy": policy.name, "step": taken + 1, "receivers": list(step.receivers)}
        entry = TimelineEntry(at=now, kind="escalated", actor="vigil", text=text, data=data)
        record.note(session, incident.id, entry)
        told = set(facts.told(session, incident.id)) - facts.unreached(session, incident.id)
        notices = [
            Notice(
                receiver=name,
                event=MessageEvent.UPDATE if name in told else MessageEvent.TRIGGER,
                reason=f"escalated: {policy.told(taken)}",
            )
            for name in dict.fromkeys(step.receivers)
        ]
        self._announcer.queue(session, incident, notices, at=now, note=text)


def _over(incident: Incident, row: EscalationRow, policy: Policy | None) -> str:
    """Why there is nothing to escalate any more; empty where there is."""
    if not incident.state.is_open:
        return f"incident {incident.id} is resolved"
    if incident.acknowledged_at is not None:
        return f"incident {incident.id} was acknowledged"
    if policy is None:
        return f"escalation {row.policy} is no longer configured"
    return ""
