"""How an incident ends by itself: what flaps rests first, what was dismissed is only noted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.flapping import Damping
from alerts.severity import reweigh
from alerts.types import Incident, MessageEvent, TimelineEntry
from monitor.response import past, record
from monitor.response.announce import Announcer
from monitor.response.recovery import Health


class Closing:
    """Resolves what has recovered, and tells those who were told of it."""

    def __init__(self, announcer: Announcer, damping: Damping) -> None:
        self._announcer = announcer
        self._damping = damping

    def close(
        self,
        session: Session,
        incident: Incident,
        health: Health,
        at: datetime,
        *,
        cure: str = "",
    ) -> None:
        """It has recovered. ``cure``: what was done; without one, what flaps stays open until it
        was quiet for as long as the rule says."""
        if not incident.state.is_open:
            record.save(session, incidents.went_quiet(incident, at=at))
            return
        text = f"Recovered: {health.text}."
        moved = incidents.recovered(incident, at=at, text=text)
        incident = record.save(session, moved)
        if not cure and self._rests(session, incident, at, first=moved.changed):
            return
        resolved = incidents.resolve(incident, at=at, actor="vigil", text="Resolved: it recovered.")
        incident = record.save(session, resolved)
        note = f"{cure} {text}".strip()
        self._announcer.tell(session, incident, MessageEvent.RESOLVE, at=at, note=note)

    def _rests(self, session: Session, incident: Incident, at: datetime, *, first: bool) -> bool:
        if incident.reopened < self._damping.after:
            return False
        until = self._damping.open_until(
            past.reopenings(session, incident.id), quiet_since=incident.recovered_at or at
        )
        if until is None or at >= until:
            return False
        if first:
            text = f"It flaps, so it stays open until {until:%Y-%m-%d %H:%M} UTC if it stays quiet."
            data = {"stage": "damping", "outcome": "kept_open", "until": until.isoformat()}
            entry = TimelineEntry(at=at, kind="decision", actor="vigil", text=text, data=data)
            record.note(session, incident.id, entry)
        return True

    def weigh(self, session: Session, incident: Incident, health: Health, at: datetime) -> None:
        """It lasts: is it as bad as it was? A change is told as an update."""
        severity = reweigh(
            incident.severity,
            incident.kind,
            incident.slice,
            health.looks,
            provisional=all(one.provisional for one in incident.findings),
        )
        moved = incidents.reweighed(incident, at=at, severity=severity, reason=health.text)
        if moved.changed:
            incident = record.save(session, moved)
            note = moved.reason
            self._announcer.tell(session, incident, MessageEvent.UPDATE, at=at, note=note)
