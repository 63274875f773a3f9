"""How long an incident took: to be detected, paged, acknowledged, mitigated, recovered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from alerts.types import Incident


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeTo:
    """``seconds`` from ``since`` to the step; None where the step was not reached."""

    step: str
    seconds: float | None
    since: str


def times_of(incident: Incident) -> tuple[TimeTo, ...]:
    """In the order of an incident's life.

    All count from the onset (from the detection where the onset is not known), save the
    acknowledgement: people answer a page, so theirs counts from that, or from the detection where
    nobody was paged.
    """
    began = incident.onset_at or incident.detected_at
    onset = "onset" if incident.onset_at else "detection"
    asked = incident.paged_at or incident.detected_at
    return (
        _time("detect", incident.detected_at, began, onset),
        _time("page", incident.paged_at, began, onset),
        _time(
            "acknowledge",
            incident.acknowledged_at,
            asked,
            "page" if incident.paged_at else "detection",
        ),
        _time("mitigate", incident.mitigated_at, began, onset),
        _time("recover", incident.recovered_at, began, onset),
    )


def _time(step: str, at: datetime | None, since: datetime, named: str) -> TimeTo:
    seconds = None if at is None else max(0.0, (at - since).total_seconds())
    return TimeTo(step=step, seconds=seconds, since=named)
