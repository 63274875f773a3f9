"""An incident that a person resolved while it still fires: nobody is paged again until something
changes.

Pure. What counts as a change: another slice, a higher severity, a release since the resolve. That
it went quiet and came back is one too; a dismissed incident that went quiet has ``recovered_at``
and is dismissed no longer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alerts.types import Incident, Severity


class News(StrEnum):
    """What is new about an alert whose incident a person resolved."""

    NOTHING = "nothing"
    SLICE = "new_slice"
    SEVERITY = "higher_severity"
    RELEASE = "new_release"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hearing:
    """Whether an alert is heard again, and why."""

    news: News
    reason: str

    @property
    def heard(self) -> bool:
        return self.news is not News.NOTHING


def is_dismissed(incident: Incident) -> bool:
    """Resolved, and not because it was over: vigil itself resolves only what has recovered."""
    return not incident.state.is_open and incident.recovered_at is None


def latest_dismissed(group_key: str, incidents: Iterable[Incident]) -> Incident | None:
    """The incident of the group that a person resolved last while it fired; none where a later
    incident took its place."""
    mine = [each for each in incidents if each.group_key == group_key]
    latest = max(mine, key=lambda each: each.id, default=None)
    return latest if latest is not None and is_dismissed(latest) else None


def hear(
    incident: Incident,
    *,
    inside: bool,
    severity: Severity,
    version: str,
    released_at: datetime | None,
) -> Hearing:
    """Ask whether an alert says anything that was not known at the resolve.

    Args:
        incident: a dismissed one, of the alert's group.
        inside: whether the alert's slice lies within the incident's.
        severity: of the alert.
        version: that serves now.
        released_at: when that version began to serve; None where it is not known.
    """
    closed = f"incident {incident.id} was resolved"
    if not inside:
        return Hearing(news=News.SLICE, reason=f"{closed}, but not for this slice")
    since = incident.resolved_at or incident.last_firing_at
    if version != incident.model_version or (released_at is not None and released_at > since):
        return Hearing(news=News.RELEASE, reason=f"{closed}, but {version} was released since then")
    if severity.rank > incident.severity.rank:
        return Hearing(
            news=News.SEVERITY,
            reason=f"{closed} as {incident.severity.value}; by now it is {severity.value}",
        )
    return Hearing(
        news=News.NOTHING, reason=f"{closed} while it fired, and nothing has changed since"
    )
