"""Everything that the post-mortem of an incident says."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dashboards.console.readmodels.postmortem import PostMortem
from monitor.postmortem.changes import changes_before
from monitor.postmortem.impact import impact_of
from monitor.response import record
from monitor.web.console.needs import ConsoleServices
from monitor.web.console.queries_incident import incident_page

LOOK_BACK = timedelta(days=1)
SLACK_WINDOWS = 5


def postmortem(
    session: Session, services: ConsoleServices, incident_id: int, *, now: datetime
) -> PostMortem:
    """Raises:
    NotFoundError: there is no such incident.
    """
    incident = record.get(session, incident_id)
    settings = services.settings
    began = incident.onset_first_at or incident.onset_at or incident.detected_at
    until = incident.onset_last_at or incident.onset_at or incident.detected_at
    slack = timedelta(seconds=SLACK_WINDOWS * settings.service.window_s)
    since = began - LOOK_BACK
    return PostMortem(
        incident=incident_page(session, services, now, incident_id, None),
        impact=impact_of(
            session, incident, settings.model(incident.model, incident.deployment), now=now
        ),
        changes=changes_before(session, incident, since=since, until=until + slack),
        changes_since=since,
        exported_at=now,
        url=f"{settings.service.url.rstrip('/')}/incidents/{incident_id}",
    )
