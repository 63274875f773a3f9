"""An allowed retraining is asked of its hook: once, whoever is killed when.

That it may have been sent is written down before it is sent. After that the hook is looked at
before it is asked again: a keyed one takes the same order once anyway, of another the order is sent
again only after it was not there for ``GRACE_S``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.response import attempts
from monitor.response.fence import Fence, unfenced
from monitor.retraining import orders
from monitor.retraining.apart import apart
from monitor.retraining.hooks.protocol import HookReport, HookState, Order, RetrainingHook
from monitor.services import Services
from monitor.store.tables import RetrainingRow

GRACE_S = 120.0
PATIENCE_S = 3600.0
_TRIES = "hook"


class Sending:
    """Asks the hooks; ``hooks`` by model and deployment."""

    def __init__(self, services: Services, hooks: Mapping[tuple[str, str], RetrainingHook]) -> None:
        self._services = services
        self._hooks = hooks

    def run_due(self, fence: Fence = unfenced) -> int:
        """One step of each allowed proposal that is due; returns how many were asked for."""
        now = self._services.clock.now()
        with self._services.sessions() as session:
            rows = session.scalars(
                select(RetrainingRow)
                .where(RetrainingRow.state == orders.PROPOSED)
                .order_by(RetrainingRow.id)
            ).all()
        due = [row.id for row in rows if self._is_due(row, now)]
        return sum(apart(number, partial(self._step, number, fence)) for number in due)

    def _is_due(self, row: RetrainingRow, now: datetime) -> bool:
        if row.hook == "none" or not attempts.is_due(row.attempts, _TRIES, now):
            return False
        return bool(row.attempts.get("allowed_by")) or self._is_automatic(row)

    def _is_automatic(self, row: RetrainingRow) -> bool:
        """What a rule proposed may need no one; what a person proposed, a person allows."""
        watched = self._services.settings.model(row.model, row.deployment)
        return bool(watched and watched.retraining.automatic and row.attempts.get("trigger"))

    def _step(self, number: int, fence: Fence) -> bool:
        with self._services.sessions.begin() as session:
            fence(session)
            row = orders.get(session, number, lock=True)
            now = self._services.clock.now()
            if row.state != orders.PROPOSED:
                return False
            hook = self._hooks.get((row.model, row.deployment))
            if hook is None:
                self._fail(session, row, "no hook is configured any more", now)
                return False
            before = row.attempts.get("sent_at")
            order = order_of(session, row)
            if before is None:
                row.attempts = {**row.attempts, "sent_at": now.isoformat()}
        sent_at = now if before is None else datetime.fromisoformat(before)
        report = hook.send(order) if before is None else self._again(hook, order, sent_at, now)
        with self._services.sessions.begin() as session:
            fence(session)
            row = orders.get(session, number, lock=True)
            if row.state == orders.PROPOSED:
                self._settle(session, row, report, sent_at, again=before is not None)
            elif row.state == orders.WITHDRAWN:
                self._overtaken(session, row, report)
        return True

    def _again(
        self, hook: RetrainingHook, order: Order, sent_at: datetime, now: datetime
    ) -> HookReport:
        report = hook.look(order)
        if report.state is not HookState.ABSENT:
            return report
        if hook.is_keyed or now - sent_at >= timedelta(seconds=GRACE_S):
            return hook.send(order)
        return HookReport(state=HookState.UNCLEAR, text=f"{report.text}; looked for once more")

    def _settle(
        self,
        session: Session,
        row: RetrainingRow,
        report: HookReport,
        sent_at: datetime,
        *,
        again: bool,
    ) -> None:
        now = self._services.clock.now()
        if report.state is HookState.ACCEPTED:
            row.state, row.requested_at, row.updated_at = orders.REQUESTED, now, now
            row.receipt = {**report.receipt, "text": report.text}
            row.attempts = attempts.over(row.attempts, _TRIES)
            text = f"Retraining {row.id} asked for through {row.hook}: {report.text}"
            orders.changed(
                session, row, "requested", text, actor="vigil", at=now, receipt=row.receipt
            )
            self._count(row, "requested")
        elif report.state is HookState.FAILED:
            doubt = "; it was sent before, and may have been taken" if again else ""
            self._fail(session, row, f"{report.text}{doubt}", now)
        elif now - sent_at > timedelta(seconds=PATIENCE_S):
            why = f"nothing says that it was taken, though it may have been: {report.text}"
            self._fail(session, row, why, now)
        else:
            row.attempts = attempts.later(row.attempts, _TRIES, now)
            row.receipt = {"text": f"not clear yet: {report.text}"}

    def _overtaken(self, session: Session, row: RetrainingRow, report: HookReport) -> None:
        """It was withdrawn while the hook was asked: what the hook has is kept, for people to
        stop."""
        if report.state not in (HookState.ACCEPTED, HookState.UNCLEAR):
            return
        now = self._services.clock.now()
        is_sure = report.state is HookState.ACCEPTED
        what = "took it all the same" if is_sure else "may have taken it all the same"
        row.receipt = {**report.receipt, "text": f"withdrawn, but {row.hook} {what}: {report.text}"}
        row.updated_at = now
        text = f"Retraining {row.id} was withdrawn, but {row.hook} {what}: {report.text}"
        orders.changed(session, row, "taken", text, actor="vigil", at=now, receipt=row.receipt)

    def _fail(self, session: Session, row: RetrainingRow, why: str, now: datetime) -> None:
        row.state, row.updated_at, row.receipt = orders.FAILED, now, {"text": why}
        text = f"Retraining {row.id} failed: {why}"
        orders.changed(session, row, "failed", text, actor="vigil", at=now)
        self._count(row, "failed")

    def _count(self, row: RetrainingRow, outcome: str) -> None:
        self._services.metrics.count(
            "vigil_retrainings_total",
            model=row.model,
            deployment=row.deployment,
            outcome=outcome,
        )


def order_of(session: Session, row: RetrainingRow) -> Order:
    """The retraining as hooks are told of it; the same each time."""
    kept = orders.dataset_of(session, row)
    return Order(
        id=orders.order_id(session, row.id),
        model=row.model,
        deployment=row.deployment,
        reason=row.reason,
        dataset=kept.sha256 if kept else "",
        location=kept.location if kept else "",
        items=kept.items if kept else 0,
        incident_id=row.incident_id,
        asked_at=row.created_at,
    )
