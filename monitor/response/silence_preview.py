"""What a silence would hold back: open incidents, and those of the last days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.silences.silence import Silence, SilenceKind
from alerts.types import Incident, IncidentState
from monitor.store.tables import IncidentRow

WEEK = timedelta(days=7)
MOST_READ = 5000


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Incidents whose labels match, newest first, whatever the time of day: ``now`` those that are
    open, ``week`` those detected in the last seven days that are over. ``cut``: of more incidents
    than are read, only the newest were looked at.
    """

    now: tuple[Incident, ...]
    week: tuple[Incident, ...]
    cut: bool = False

    def text(self, kind: SilenceKind) -> str:
        """``would silence these 3 open incidents, and would have silenced 5 of the last 7 days``
        and the like."""
        verb, past = "silence", "silenced"
        if kind is SilenceKind.FREEZE:
            verb, past = "hold back rollbacks of", "held back those of"
        these = f"these {len(self.now)} open incidents" if len(self.now) > 1 else "1 open incident"
        now = f"would {verb} {these if self.now else 'no open incident'}"
        return f"{now}, and would have {past} {len(self.week) or 'none'} of the last 7 days"


def preview(session: Session, silence: Silence, at: datetime) -> Preview:
    """What a silence, kept or not, would hold back."""
    rows = session.scalars(
        select(IncidentRow)
        .where(
            or_(
                IncidentRow.state != IncidentState.RESOLVED.value,
                IncidentRow.detected_at >= at - WEEK,
            )
        )
        .order_by(IncidentRow.id.desc())
        .limit(MOST_READ + 1)
    ).all()
    incidents = [Incident.from_columns(row) for row in rows[:MOST_READ]]
    matching = [each for each in incidents if silence.matches(labels_of(each))]
    return Preview(
        now=tuple(each for each in matching if each.state.is_open),
        week=tuple(each for each in matching if not each.state.is_open),
        cut=len(rows) > MOST_READ,
    )
