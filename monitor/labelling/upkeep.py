"""What becomes of tasks that nobody labels: they age, or their incident proves void."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from alerts.types import Disposition
from monitor.labelling import ledger
from monitor.labelling.withdrawing import withdraw
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.store.tables import ActionRow, IncidentRow, LabelTaskRow

_STEP = 500


class Upkeep:
    """Marks tasks; ``Withdrawals`` takes them out of their queues."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def run_due(self, fence: Fence = unfenced) -> int:
        """Returns how many tasks were marked."""
        marked = self._void(fence) + self._expire(fence)
        self._measure()
        return marked

    def _void(self, fence: Fence) -> int:
        """Of incidents that people called false alarms."""
        with self._services.sessions.begin() as session:
            fence(session)
            rows = session.scalars(
                select(LabelTaskRow)
                .join(ActionRow, ActionRow.id == LabelTaskRow.action_id)
                .join(IncidentRow, IncidentRow.id == ActionRow.incident_id)
                .where(
                    LabelTaskRow.state.in_(ledger.OPEN),
                    IncidentRow.disposition == Disposition.FALSE_ALARM.value,
                )
                .limit(_STEP)
                .with_for_update(of=LabelTaskRow)
            ).all()
            return withdraw(rows, "its incident was a false alarm", at=self._services.clock.now())

    def _expire(self, fence: Fence) -> int:
        now, marked = self._services.clock.now(), 0
        for watched in self._services.settings.models:
            days = watched.relabel.expire_days
            with self._services.sessions.begin() as session:
                fence(session)
                rows = session.scalars(
                    select(LabelTaskRow)
                    .where(
                        LabelTaskRow.model == watched.name,
                        LabelTaskRow.deployment == watched.deployment,
                        LabelTaskRow.state.in_(ledger.OPEN),
                        LabelTaskRow.picked_at < now - timedelta(days=days),
                    )
                    .limit(_STEP)
                    .with_for_update()
                ).all()
                marked += _expired(rows, f"nobody labelled it in {days:g} days", now)
        return marked

    def _measure(self) -> None:
        with self._services.sessions() as session:
            rows = session.execute(
                select(
                    LabelTaskRow.model,
                    LabelTaskRow.deployment,
                    LabelTaskRow.state,
                    func.count(),
                    func.min(LabelTaskRow.picked_at),
                ).group_by(LabelTaskRow.model, LabelTaskRow.deployment, LabelTaskRow.state)
            ).all()
        now = self._services.clock.now()
        tasks: Counter[tuple[str, ...]] = Counter()
        oldest: dict[tuple[str, ...], float] = {
            (watched.name, watched.deployment): 0.0
            for watched in self._services.settings.models
            if watched.relabel.is_on
        }
        for model, deployment, state, count, first in rows:
            tasks[model, deployment, state] = count
            if state in ledger.OPEN:
                age = (now - first).total_seconds()
                oldest[model, deployment] = max(age, oldest.get((model, deployment), 0.0))
        self._services.metrics.replace("vigil_label_tasks", tasks)
        self._services.metrics.replace("vigil_label_oldest_seconds", oldest)


def _expired(rows: Sequence[LabelTaskRow], why: str, at: datetime) -> int:
    for row in rows:
        row.state = ledger.EXPIRED if row.external_id is None else ledger.EXPIRING
        row.problem, row.ended_at = why, at
    return len(rows)
