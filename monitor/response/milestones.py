"""What the metrics tell of incidents: how many are open, how long their steps took."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.times import times_of
from alerts.types import Incident
from monitor.metrics import Metrics
from monitor.store.tables import IncidentRow

_STEPS = {
    "acknowledge": (IncidentRow.acknowledged_at, "vigil_time_to_acknowledge_seconds"),
    "recover": (IncidentRow.recovered_at, "vigil_time_to_recover_seconds"),
}


class Milestones:
    """Reads steps from the database, because whoever takes them may be in another process.

    Each step is counted once, by the process that leads when it is seen; what was taken before the
    first look is history.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seen: set[tuple[int, str, datetime]] = set()
        self._since: datetime | None = None

    def export(self, session: Session, at: datetime) -> None:
        """Bring the metrics up to date."""
        self._open(session)
        since, self._since = self._since, at
        if since is None:
            self._seen = {key for key, _, _ in self._taken(session, at, at)}
            return
        found = self._taken(session, since, at)
        for key, name, seconds in found:
            if key not in self._seen:
                self._metrics.observe(name, seconds)
        self._seen = {key for key, _, _ in found}

    @staticmethod
    def _taken(
        session: Session, since: datetime, until: datetime
    ) -> list[tuple[tuple[int, str, datetime], str, float]]:
        taken = []
        for step, (column, metric) in _STEPS.items():
            for row in session.scalars(select(IncidentRow).where(column >= since, column <= until)):
                incident = Incident.from_columns(row)
                seconds = next(one.seconds for one in times_of(incident) if one.step == step)
                moment = getattr(row, column.key)
                if seconds is not None:
                    taken.append(((row.id, step, moment), metric, seconds))
        return taken

    def _open(self, session: Session) -> None:
        counts: dict[tuple[str, ...], float] = {}
        for key in session.execute(
            select(IncidentRow.model, IncidentRow.deployment, IncidentRow.severity).where(
                IncidentRow.state != "resolved"
            )
        ):
            counts[tuple(key)] = counts.get(tuple(key), 0.0) + 1.0
        self._metrics.replace("vigil_incidents_open", counts)
