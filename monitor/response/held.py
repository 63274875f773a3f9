"""Incidents whose page was held back: when what held it ends and they are still open, it pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from alerts.pipeline.decision import Decision, Outcome
from alerts.pipeline.deliver import NAME as DELIVER
from alerts.pipeline.stages import MUTES
from alerts.types import IncidentState, MessageEvent
from monitor.response import facts, record
from monitor.response.announce import Announcer
from monitor.response.fence import Fence, unfenced
from monitor.response.one_by_one import one_by_one
from monitor.services import Services
from monitor.store.tables import IncidentRow


class HeldNotices:
    """Asks the pipeline again for each open incident that it held back."""

    def __init__(self, services: Services, announcer: Announcer) -> None:
        self._services = services
        self._announcer = announcer

    def run_due(self, fence: Fence = unfenced) -> int:
        """Tell what is held back no longer; returns how many incidents were moved.

        One that someone has acknowledged meanwhile is left alone.

        Args:
            fence: refuses to commit where another process took over.
        """
        now = self._services.clock.now()
        due = self._due(now)
        one_by_one("notice of incident", due, lambda each: self._again(each, now, fence))
        return len(due)

    def _due(self, now: datetime) -> list[int]:
        """Those of which the pipeline says something else by now."""
        found = []
        with self._services.sessions() as session:
            waiting = session.scalars(
                select(IncidentRow.id)
                .where(
                    IncidentRow.state != IncidentState.RESOLVED.value,
                    IncidentRow.acknowledged_at.is_(None),
                )
                .order_by(IncidentRow.id)
            ).all()
            last = facts.decisions(session, list(waiting))
            for incident_id, before in last.items():
                if held_by(before):
                    incident = record.get(session, incident_id)
                    case = self._announcer.case(session, incident, MessageEvent.UPDATE, at=now)
                    if self._announcer.pipeline.tell(case).written:
                        found.append(incident_id)
        return found

    def _again(self, incident_id: int, now: datetime, fence: Fence) -> None:
        with self._services.sessions.begin() as session:
            fence(session)
            incident = record.get(session, incident_id)
            before = facts.decisions(session, [incident_id])[incident_id]
            why = "; ".join(each.reason for each in held_by(before))
            if not why or not incident.state.is_open or incident.acknowledged_at is not None:
                return
            touched = record.touch(session, incident)
            note = f"It was held back ({why}) and is still open."
            self._announcer.tell(session, touched, MessageEvent.UPDATE, at=now, note=note)


def held_by(before: Mapping[str, Decision]) -> list[Decision]:
    """The decisions that keep somebody from being told, of the last ones of each stage."""
    return [
        each
        for stage, each in before.items()
        if (stage in MUTES and each.outcome is Outcome.STOP)
        or (stage == DELIVER and each.outcome is not Outcome.PASS)
    ]
