"""How a rollback's outcome is written down and told: timeline, messages, metrics."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.types import Incident, MessageEvent, Severity, TimelineEntry
from monitor.metrics import Metrics
from monitor.response import record
from monitor.response.announce import Announcer
from monitor.store.commit import once_committed
from monitor.store.tables import ActionRow


class RollbackNews:
    """Writes in the transaction of the session that it is given."""

    def __init__(self, announcer: Announcer, metrics: Metrics) -> None:
        self._announcer = announcer
        self._metrics = metrics

    def tell(
        self, session: Session, incident: Incident, now: datetime, kind: str, text: str
    ) -> None:
        """One line in the timeline, and an update to all who know of the incident."""
        entry = TimelineEntry(at=now, kind=kind, actor="vigil", text=text)
        record.note(session, incident.id, entry)
        touched = record.touch(session, incident)
        self._announcer.tell(session, touched, MessageEvent.UPDATE, at=now, note=text)

    def failed(
        self,
        session: Session,
        row: ActionRow,
        incident: Incident,
        now: datetime,
        why: str,
        *,
        critical: bool = False,
    ) -> None:
        """It ends here. ``critical``: it may have been carried out, or half."""
        began = row.state == "executing"
        row.state, row.finished_at, row.updated_at = "failed", now, now
        row.result = {"text": f"Rollback failed: {why}."}
        if began:
            self.without_cure(session, incident, now, row.result["text"], critical=critical)
        else:
            self.tell(session, incident, now, "rollback_failed", row.result["text"])
        self.count(session, incident, "failed")

    def without_cure(
        self,
        session: Session,
        incident: Incident,
        now: datetime,
        text: str,
        *,
        critical: bool = False,
    ) -> None:
        """The incident is open again, as bad as it was or worse."""
        moved = incidents.mitigation_failed(incident, at=now, actor="vigil", text=text)
        if not moved.changed:
            self.tell(session, incident, now, "mitigation_failed", text)
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

    def rolled_back(self, session: Session, incident: Incident, now: datetime, text: str) -> None:
        """It was carried out; what came of it shows in the windows."""
        self._announcer.tell(session, incident, MessageEvent.UPDATE, at=now, note=text, change=text)
        self.count(session, incident, "executed")
        if incident.onset_at:
            took = (now - incident.onset_at).total_seconds()
            metrics = self._metrics
            once_committed(
                session,
                lambda: metrics.observe("vigil_time_to_mitigate_seconds", max(0.0, took)),
            )

    def count(self, session: Session, incident: Incident, outcome: str) -> None:
        """One more rollback with this outcome, once the transaction stands."""
        metrics = self._metrics
        once_committed(
            session,
            lambda: metrics.count(
                "vigil_rollbacks_total",
                model=incident.model,
                deployment=incident.deployment,
                outcome=outcome,
            ),
        )
