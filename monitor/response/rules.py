"""Who is told of what, as the settings say it, in the values that the pipeline decides by."""

from __future__ import annotations

from datetime import time
from zoneinfo import ZoneInfo

from alerts.pipeline.inhibit import Rule
from alerts.pipeline.stages import Rules
from alerts.routing.escalation import Policy, Step
from alerts.routing.hours import Hours
from alerts.routing.tree import Match, Route
from alerts.types import Severity
from monitor.settings import alerting
from monitor.settings.schema import Settings


def rules_of(settings: Settings) -> Rules:
    """The rules of validated settings."""
    hours = {name: _hours(name, one) for name, one in settings.hours.items()}
    return Rules(
        routes=tuple(_route(route, hours) for route in settings.routes),
        policies={name: _policy(name, one) for name, one in settings.escalations.items()},
        inhibitions=tuple(
            Rule(by=one.by, mute=one.mute, equal=one.equal, name=f"inhibit {place}")
            for place, one in enumerate(settings.inhibit, start=1)
        ),
        pagers=frozenset(name for name, one in settings.receivers.items() if one.wakes),
    )


def _hours(name: str, one: alerting.Hours) -> Hours:
    return Hours(
        name=name,
        days=one.days,
        start=time.fromisoformat(one.start),
        end=time.fromisoformat(one.end),
        zone=ZoneInfo(one.time_zone),
    )


def _route(route: alerting.Route, hours: dict[str, Hours]) -> Route:
    match = route.match
    return Route(
        match=Match(
            model=match.model,
            severity=Severity(match.severity) if match.severity else None,
            cause=match.cause,
            kind=match.kind,
            slice=match.slice,
            owner=match.owner,
            hours=hours[match.hours] if match.hours else None,
        ),
        receivers=route.receivers,
        escalation=route.escalation,
        proceed=route.proceed,
        routes=tuple(_route(inner, hours) for inner in route.routes),
    )


def _policy(name: str, one: alerting.Escalation) -> Policy:
    steps = tuple(Step(after_s=step.after_s, receivers=step.receivers) for step in one.steps)
    return Policy(name=name, steps=steps, repeat=one.repeat)
