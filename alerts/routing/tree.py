"""Who hears of an incident: the tree of routes, and why each was taken or passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from alerts.labels import slice_label
from alerts.routing.hours import Hours
from alerts.types import AlertKind, Severity
from vigil.types import Cause

DEFAULT_RECEIVERS = ("console",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """All that it names must hold; ``severity`` is the least. What is None holds always."""

    model: str | None = None
    severity: Severity | None = None
    cause: Cause | None = None
    kind: AlertKind | None = None
    slice: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    hours: Hours | None = None

    def mismatch(self, labels: Mapping[str, str], at: datetime) -> str | None:
        """Why it does not hold; None where it does."""
        for name, wanted in self._exact():
            found = labels.get(name, "")
            if found != wanted:
                return f"{_said(name)} is {found or 'not given'}, not {wanted}"
        if self.severity is not None:
            found = labels["severity"]
            if not Severity(found).at_least(self.severity):
                return f"severity {found} is below {self.severity.value}"
        if self.hours is not None and not self.hours.covers(at):
            return f"it is not within the hours {self.hours.name} ({self.hours})"
        return None

    def _exact(self) -> Iterator[tuple[str, str]]:
        for name, wanted in (
            ("model", self.model),
            ("cause", self.cause and self.cause.value),
            ("alertname", self.kind and self.kind.value),
            ("owner", self.owner),
        ):
            if wanted is not None:
                yield name, wanted
        for key, value in self.slice.items():
            yield slice_label(key), value

    def __str__(self) -> str:
        """What it asks for, in words."""
        parts = [f"{_said(name)} {wanted}" for name, wanted in self._exact()]
        if self.severity is not None:
            parts.append(f"severity {self.severity.value} or worse")
        if self.hours is not None:
            parts.append(f"in the hours {self.hours.name} ({self.hours})")
        return ", ".join(parts) or "anything"


def _said(label: str) -> str:
    """As the settings call it."""
    return "kind" if label == "alertname" else label


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """The first route that matches decides, unless it says ``proceed``. Inside it the first of
    ``routes`` that matches takes its place, and takes from it what it does not name itself."""

    match: Match = Match()
    receivers: tuple[str, ...] = ()
    escalation: str | None = None
    proceed: bool = False
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteDecision:
    """``taken`` are the places of the routes that matched (``1``, ``2.1``), none where the default
    was taken; ``passed`` says of each other route that was looked at why it does not match."""

    receivers: tuple[str, ...]
    escalation: str | None
    taken: tuple[str, ...]
    passed: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Leaf:
    place: str
    route: Route


def choose(
    routes: Sequence[Route],
    labels: Mapping[str, str],
    *,
    at: datetime,
    default: tuple[str, ...] = DEFAULT_RECEIVERS,
) -> RouteDecision:
    """The receivers of the routes that match, each once; ``default`` where none does.

    Of several escalations the first named holds.

    Args:
        labels: as ``alerts.labels.labels_of`` gives them; ``severity`` must be there.
    """
    passed: list[str] = []
    leaves = list(_walk(routes, labels, at, passed, prefix="", around=Route()))
    if not leaves:
        why = "; ".join(passed) if passed else "no routes are configured"
        return RouteDecision(
            receivers=default,
            escalation=None,
            taken=(),
            passed=tuple(passed),
            reason=f"default ({why})",
        )
    places = tuple(leaf.place for leaf in leaves)
    named = [leaf.route.escalation for leaf in leaves if leaf.route.escalation]
    several = "s" if len(places) > 1 else ""
    return RouteDecision(
        receivers=tuple(dict.fromkeys(name for leaf in leaves for name in leaf.route.receivers)),
        escalation=named[0] if named else None,
        taken=places,
        passed=tuple(passed),
        reason=f"route{several} {', '.join(places)} match{'' if several else 'es'}",
    )


def _walk(
    routes: Sequence[Route],
    labels: Mapping[str, str],
    at: datetime,
    passed: list[str],
    *,
    prefix: str,
    around: Route,
) -> Iterator[_Leaf]:
    for number, route in enumerate(routes, start=1):
        place = f"{prefix}{number}"
        why_not = route.match.mismatch(labels, at)
        if why_not is not None:
            passed.append(f"route {place}: {why_not}")
            continue
        whole = replace(
            route,
            receivers=route.receivers or around.receivers,
            escalation=route.escalation or around.escalation,
        )
        inner = list(_walk(route.routes, labels, at, passed, prefix=f"{place}.", around=whole))
        if not inner and not whole.receivers:
            passed.append(f"route {place}: none of its routes matches, and it has no receivers")
            continue
        yield from inner or [_Leaf(place=place, route=whole)]
        if not route.proceed:
            return
