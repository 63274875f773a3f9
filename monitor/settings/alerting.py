"""Who is told of what, when, and what follows if nobody answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from alerts.types import AlertKind
from monitor.settings.fields import (
    Count,
    Days,
    HttpAddress,
    Name,
    Seconds,
    Section,
    Share,
    Switch,
    TimeOfDay,
    TimeZone,
)
from vigil.types import Cause

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SeverityName = Literal["info", "warning", "error", "critical"]


class Hours(Section):
    """A part of the week, by the clocks of a time zone. Past midnight where ``end`` is not after
    ``start``."""

    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    start: TimeOfDay
    end: TimeOfDay
    time_zone: TimeZone = "UTC"


class RouteMatch(Section):
    model: str | None = None
    severity: SeverityName | None = None
    cause: Cause | None = None
    kind: AlertKind | None = None
    slice: dict[str, str] = Field(default_factory=dict)
    owner: str | None = None
    hours: Name | None = None


class Route(Section):
    """The first route whose ``match`` holds decides, unless it says ``proceed``; an empty match
    holds always. Inside it, the first of its own ``routes`` that matches takes its place; what that
    leaves out it takes from the one around it."""

    match: RouteMatch = RouteMatch()
    receivers: tuple[Name, ...] = ()
    escalation: Name | None = None
    proceed: Switch = False
    routes: tuple[Route, ...] = ()


class EscalationStep(Section):
    after_s: Seconds
    receivers: Annotated[tuple[Name, ...], Field(min_length=1)]


class Escalation(Section):
    """Steps for as long as nobody acknowledges, each so long after the one before."""

    steps: Annotated[tuple[EscalationStep, ...], Field(min_length=1)]
    repeat: Annotated[int, Field(ge=0, le=100, strict=True)] = 0


class Inhibition(Section):
    """While an open incident has the labels ``by``, no one is told of those with the labels
    ``mute`` that agree with it in all labels of ``equal``."""

    by: Annotated[dict[str, str], Field(min_length=1)]
    mute: Annotated[dict[str, str], Field(min_length=1)]
    equal: tuple[str, ...] = ("model", "deployment")


class Incidents(Section):
    """How incidents live: when one flaps, when one repeats an earlier one."""

    flap_after: Count = 3
    flap_over_s: Seconds = 3600.0
    repeat_within_days: Days = 30.0


class Digest(Section):
    """A daily summary of what did not page, for ``receivers``; none where there are none."""

    receivers: tuple[Name, ...] = ()
    at: TimeOfDay = "09:00"
    time_zone: TimeZone = "UTC"
    false_discoveries: Share = 0.1


class Heartbeat(Section):
    """A dead-man's switch: what expects a sign of life raises the alarm when none comes."""

    every_s: Seconds = 60.0
    url: HttpAddress | None = None
    receivers: tuple[Name, ...] = ()
    ticks_late_after_s: Seconds = 300.0
    outbox_late_after_s: Seconds = 300.0
