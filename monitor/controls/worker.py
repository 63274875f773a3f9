"""Carries controls out: a row that moves by small, repeatable steps, as a rollback does.

waiting -> refused | executing -> done | failed
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.guard import Decision, GuardOutcome
from alerts.actions.targets.protocol import TargetReport, TargetState
from monitor.controls import manage
from monitor.controls.facts import facts_of
from monitor.controls.guard import decide
from monitor.controls.targets import ControlTarget
from monitor.response import attempts
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.store.commit import once_committed
from monitor.store.database import is_away
from monitor.store.tables import ControlRow
from vigil.errors import ConflictError

log = logging.getLogger("vigil.controls")

GIVE_UP = timedelta(minutes=15)
"""An answer that stays unclear for so long ends a control as failed; people must look."""


class ControlWorker:
    """Moves controls on. ``targets`` by (model, deployment)."""

    def __init__(
        self, services: Services, targets: Mapping[tuple[str, str], ControlTarget]
    ) -> None:
        self._services = services
        self._targets = targets

    def run_due(self, fence: Fence = unfenced) -> int:
        """One step of each control that has not finished; how many there are."""
        with self._services.sessions() as session:
            query = select(ControlRow.id).where(ControlRow.state.in_(manage.OPEN))
            numbers = session.scalars(query.order_by(ControlRow.id)).all()
        for number in numbers:
            try:
                self._advance(number, fence)
            except ConflictError as error:
                log.info("control %s: %s; looked at again", number, error)
            except Exception as error:  # one control must not hold up the others
                if is_away(error):
                    raise
                log.warning("control %s failed", number, exc_info=error)
        return len(numbers)

    def _advance(self, number: int, fence: Fence) -> None:
        with self._services.sessions() as session:
            row = session.get_one(ControlRow, number)
            target = self._targets.get((row.model, row.deployment))
            state, plan = row.state, manage.plan_of(row)
            due = attempts.is_due(row.decision, attempts.TARGET, self._services.clock.now())
        if state == "waiting":
            known = (
                target.current(plan.model, plan.deployment, plan.what, plan.name)
                if target
                else None
            )
            self._judge(number, known, target, fence)
        elif state == "executing" and due:
            if target is None:
                gone = TargetReport(state=TargetState.FAILED, text="its target is gone")
                self._settle(number, gone, fence, is_again=True)
                return
            self._execute(number, target, fence)

    def _judge(
        self, number: int, current: str | None, target: ControlTarget | None, fence: Fence
    ) -> None:
        with self._services.sessions.begin() as session:
            fence(session)
            manage.one_by_one(session)
            row = manage.held(session, number)
            if row.state != "waiting":
                return
            now = self._services.clock.now()
            decision = self._decide(session, row, current, target, now)
            before = row.decision.get("text")
            self._keep(row, decision, now)
            if decision.outcome is GuardOutcome.REFUSE:
                self._end(session, row, "refused", decision.text, now)
            elif decision.outcome is GuardOutcome.ALLOW:
                row.state = "executing"
                row.decision = {**row.decision, "allowed_at": now.isoformat()}
            elif self._waited_too_long(row, now):
                self._end(
                    session, row, "refused", f"nobody approved it in time: {decision.text}", now
                )
            elif before != decision.text:
                text = f"{manage.plan_of(row).text}: {decision.text}."
                manage.tell(session, row, "control waits", "vigil", now, text)

    def _execute(self, number: int, target: ControlTarget, fence: Fence) -> None:
        with self._services.sessions() as session:
            row = session.get_one(ControlRow, number)
            plan, is_again = manage.plan_of(row), bool(row.decision.get("sent"))
        report = target.status(plan)
        if report.state in (TargetState.READY, TargetState.UNCLEAR):
            with self._services.sessions.begin() as session:
                fence(session)
                row = manage.held(session, number)
                if row.state != "executing":
                    return
                now = self._services.clock.now()
                # What is set is for the target to compare, in the step in which it changes it.
                decision = self._decide(session, row, None, target, now)
                allowed = decision.outcome is GuardOutcome.ALLOW
                perhaps_done = row.decision.get("sent") and report.state is TargetState.UNCLEAR
                if not allowed and not perhaps_done:
                    self._keep(row, decision, now)
                    row.state = "waiting"
                    row.decision = {**row.decision, "sent": False}
                    return
                if allowed:
                    row.decision = {**row.decision, "sent": True}
            # What may have been done is asked about, and not sent again against the guard's word.
            report = target.execute(plan) if allowed else report
        self._settle(number, report, fence, is_again=is_again)

    def _settle(
        self, number: int, report: TargetReport, fence: Fence, *, is_again: bool = False
    ) -> None:
        """``is_again``: it was sent before this step, and what came of that was not written."""
        with self._services.sessions.begin() as session:
            fence(session)
            row = manage.held(session, number)
            if row.state != "executing":
                return
            now = self._services.clock.now()
            was_unclear = bool(row.decision.get("sent")) and (
                is_again or attempts.count(row.decision, attempts.TARGET) > 0
            )
            if report.state is TargetState.EXECUTED:
                row.executed_at = now
                self._undone(session, row)
                self._end(session, row, "done", report.text, now)
            elif report.state in (TargetState.CONFLICT, TargetState.FAILED):
                # Sent before, and nobody knows what became of that.
                doubt = "; it was sent before, and may have been applied" if was_unclear else ""
                self._end(session, row, "failed", f"{report.text}{doubt}", now)
            elif now > self._allowed_at(row) + GIVE_UP:
                text = (
                    f"nothing says that it was carried out, though it may have been: {report.text}"
                )
                self._end(session, row, "failed", text, now)
            else:
                row.decision = attempts.later(row.decision, attempts.TARGET, now)
                row.result = {**row.result, "text": f"under way: {report.text}"}
                row.updated_at = now

    def _decide(
        self,
        session: Session,
        row: ControlRow,
        current: str | None,
        target: ControlTarget | None,
        now: datetime,
    ) -> Decision:
        watched = self._services.settings.model(row.model, row.deployment)
        has_target = target is not None
        return decide(facts_of(session, watched, row, current, now, has_target=has_target))

    def _keep(self, row: ControlRow, decision: Decision, now: datetime) -> None:
        row.decision = {**row.decision, **decision.to_json(), "text": decision.text}
        row.updated_at = now

    def _waited_too_long(self, row: ControlRow, now: datetime) -> bool:
        watched = self._services.settings.model(row.model, row.deployment)
        patience_s = watched.controls.approval_expires_s if watched else 0.0
        return now > row.created_at + timedelta(seconds=patience_s)

    @staticmethod
    def _allowed_at(row: ControlRow) -> datetime:
        said = row.decision.get("allowed_at")
        return datetime.fromisoformat(said) if said else row.created_at

    @staticmethod
    def _undone(session: Session, row: ControlRow) -> None:
        number = manage.plan_of(row).undoes
        first = session.get(ControlRow, number, with_for_update=True) if number else None
        if first is not None:
            first.result = {**first.result, "undone_by": row.id}

    def _end(self, session: Session, row: ControlRow, state: str, text: str, now: datetime) -> None:
        row.state, row.updated_at = state, now
        row.result = {**row.result, "text": text}
        told = f"{manage.plan_of(row).text}: {text}."
        manage.tell(session, row, f"control {state}", row.approved_by or "vigil", now, told)
        model, deployment, what = row.model, row.deployment, row.what
        metrics = self._services.metrics
        once_committed(
            session,
            lambda: metrics.count(
                "vigil_controls_total", model=model, deployment=deployment, what=what, outcome=state
            ),
        )
