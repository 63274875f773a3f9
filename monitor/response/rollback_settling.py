"""What becomes of a rollback that its target was asked about: it goes on, or comes to its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.actions.guard import Decision, GuardOutcome
from alerts.actions.plan import RollbackPlan
from alerts.actions.targets.protocol import RollbackTarget, TargetReport, TargetState
from alerts.types import Incident
from monitor.response import attempts, record
from monitor.response.rollback_news import RollbackNews
from monitor.store.tables import ActionRow, ReleaseRow


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What the target said, and what the guard held against sending the plan, if anything.

    ``done``: it says that it carried the plan out. ``before``: the plan had been sent, without an
    end, before it was asked this time.
    """

    report: TargetReport
    held: Decision | None = None
    sent: bool = False
    done: bool = False
    before: bool = False


class Settlement:
    """Writes the outcome in the transaction of the session that it is given.

    ``patience_s``: so long may a target take to carry a plan out.
    """

    def __init__(self, news: RollbackNews, *, patience_s: float) -> None:
        self._news = news
        self._patience_s = patience_s

    def settle(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        plan: RollbackPlan,
        asked: Asked,
        now: datetime,
        *,
        dry: bool,
    ) -> None:
        """One answer of the target. ``dry``: nothing was to be changed."""
        report = asked.report
        refused = report.state is TargetState.FAILED
        perhaps_done = asked.sent and report.state is TargetState.UNCLEAR
        perhaps_done = perhaps_done or (asked.before and refused)
        if asked.held is not None and not perhaps_done:
            self._withdraw(session, row, incident, asked.held, now)
        elif dry and report.state is TargetState.READY:
            row.state, row.finished_at = "done", now
            row.result = {"text": f"Rehearsed only (dry run): {plan.text}: {report.text}."}
            self._news.without_cure(session, incident, now, row.result["text"])
            self._news.count(session, incident, "dry_run")
        elif report.state is TargetState.EXECUTED:
            self._executed(session, row, incident, plan, now)
        elif refused and asked.before and not asked.done:
            why = f"it was sent before, and may have been carried out: {report.text}"
            self._news.failed(session, row, incident, now, why, critical=True)
        elif refused or report.state is TargetState.CONFLICT:
            row.executed_at = now if asked.done else None
            self._news.failed(session, row, incident, now, report.text, critical=asked.done)
        elif now > self._deadline(row):
            why = f"nothing says that it was carried out, though it may have been: {report.text}"
            self._news.failed(session, row, incident, now, why, critical=True)
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
            self._news.count(session, incident, "refused")
        else:
            row.state = "waiting"
        self._news.without_cure(session, incident, now, row.result["text"])

    def _deadline(self, row: ActionRow) -> datetime:
        patience = timedelta(seconds=self._patience_s)
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
        self._news.rolled_back(session, incident, now, row.result["text"])


def verified(target: RollbackTarget, plan: RollbackPlan, done: TargetReport) -> TargetReport:
    """It was carried out: does the target version serve? Where nobody can say, windows will."""
    seen = target.verify(plan)
    if seen.state in (TargetState.EXECUTED, TargetState.UNCLEAR, TargetState.READY):
        return done
    if seen.state is TargetState.PENDING:
        return replace(seen, receipt=done.receipt)
    text = f"it was carried out, but {plan.to_version} does not serve: {seen.text}"
    return TargetReport(state=TargetState.FAILED, text=text, receipt=done.receipt)
