"""What an alert means that was there before: a return too many, a repeat, or nothing new."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.dismissed import hear, latest_dismissed
from alerts.flapping import Damping
from alerts.grouping import group_key
from alerts.types import AlertKind, Incident, Severity, TimelineEntry
from alerts.wording import duration
from monitor.checks.diagnose import latest_release
from monitor.checks.diagnosis import Diagnosis
from monitor.response import past, record
from monitor.settings.alerting import Incidents


class Again:
    """Asks the past of an alert, by the rules of ``[incidents]``."""

    def __init__(self, rules: Incidents) -> None:
        self._damping = Damping(after=rules.flap_after, over_s=rules.flap_over_s)
        self._repeat_within = timedelta(days=rules.repeat_within_days)

    def unheard(
        self, session: Session, diagnosis: Diagnosis, *, kind: AlertKind, severity: Severity
    ) -> Incident | None:
        """The incident that a person resolved while it fired, where the alert says nothing new;
        it is written down there once, and nobody is told."""
        model = diagnosis.model
        known = past.dismissed(session, model.name, model.deployment)
        key = group_key(model.name, model.deployment, diagnosis.cause)
        incident = latest_dismissed(key, [one for one in known if one.kind is kind])
        if incident is None:
            return None
        release = latest_release(session, (model.name, model.deployment), diagnosis.at)
        hearing = hear(
            incident,
            inside=diagnosis.terrain.within(diagnosis.slice, incident.slice),
            severity=severity,
            version=model.version,
            released_at=release.started_at if release else None,
        )
        if hearing.heard:
            return None
        moved = incidents.fires_unheard(incident, at=diagnosis.at, reason=hearing.reason)
        return record.save(session, moved)

    def flapping_words(self, session: Session, incident: Incident) -> str:
        """What is said of an incident that has come back too often; empty for others."""
        if not self._damping.flaps(past.reopenings(session, incident.id)):
            return ""
        rest = duration(self._damping.over_s)
        return (
            f"It flaps: {self._damping.after} returns within {rest}. It stays open now, and nobody "
            f"is paged again, until it has been quiet for {rest}."
        )

    def latest_like(self, session: Session, fingerprint: str, at: datetime) -> Incident | None:
        """The incident that one of this fingerprint repeats."""
        return past.latest_like(session, fingerprint, since=at - self._repeat_within)

    @staticmethod
    def note_repeat(session: Session, opened: Incident, earlier: Incident | None) -> str:
        """Write down how it was solved then; the sentence, empty where nothing was like it."""
        if earlier is None:
            return ""
        text = past.repeat_words(session, earlier)
        data = {"incident": earlier.id}
        entry = TimelineEntry(
            at=opened.detected_at, kind="repeat", actor="vigil", text=text, data=data
        )
        record.note(session, opened.id, entry)
        return text
