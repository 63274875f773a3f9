"""The tree of routes as lines, for people to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alerts.routing.escalation import Policy
from alerts.routing.tree import Route
from alerts.wording import duration


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteLine:
    """One route. ``place`` is its number (``2.1``), ``depth`` how far inside; receivers and
    escalation are its own, without those that it takes from the route around it."""

    place: str
    depth: int
    match: str
    receivers: tuple[str, ...]
    escalation: str
    proceed: bool


def drawn(routes: Sequence[Route], *, prefix: str = "") -> Iterator[RouteLine]:
    """Each route, followed by those inside it."""
    for number, route in enumerate(routes, start=1):
        place = f"{prefix}{number}"
        yield RouteLine(
            place=place,
            depth=prefix.count("."),
            match=str(route.match),
            receivers=route.receivers,
            escalation=route.escalation or "",
            proceed=route.proceed,
        )
        yield from drawn(route.routes, prefix=f"{place}.")


def in_words(policy: Policy) -> str:
    """``after 5 min second, 10 min later boss; twice more``."""
    steps = [
        f"{'after ' if place == 0 else ''}{duration(step.after_s)}"
        f"{'' if place == 0 else ' later'} {', '.join(step.receivers)}"
        for place, step in enumerate(policy.steps)
    ]
    again = {0: "", 1: "; then once more"}.get(policy.repeat, f"; then {policy.repeat} times more")
    return "; ".join(steps) + again
