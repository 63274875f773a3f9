"""Who hears of an incident: the first route that matches decides, and says which it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerts.types import Severity
from vigil.types import Cause

DEFAULT_RECEIVERS = ("console",)


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """``severity`` is the least that matches; what is None matches everything."""

    receivers: tuple[str, ...]
    model: str | None = None
    severity: Severity | None = None
    cause: Cause | None = None

    def mismatch(self, *, model: str, severity: Severity, cause: Cause) -> str | None:
        """Why it does not match; None where it does."""
        if self.model is not None and self.model != model:
            return f"model is {model}, not {self.model}"
        if self.severity is not None and not severity.at_least(self.severity):
            return f"severity {severity.value} is below {self.severity.value}"
        if self.cause is not None and self.cause is not cause:
            return f"cause is {cause.value}, not {self.cause.value}"
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteDecision:
    """``route`` is the place in the list, from 0; None where the default was taken."""

    receivers: tuple[str, ...]
    route: int | None
    reason: str


def choose(
    routes: Sequence[Route],
    *,
    model: str,
    severity: Severity,
    cause: Cause,
    default: tuple[str, ...] = DEFAULT_RECEIVERS,
) -> RouteDecision:
    """The receivers of the first route that matches, each once; else ``default``."""
    passed = []
    for place, route in enumerate(routes):
        why_not = route.mismatch(model=model, severity=severity, cause=cause)
        if why_not is None:
            return RouteDecision(
                receivers=tuple(dict.fromkeys(route.receivers)),
                route=place,
                reason=f"route {place + 1} matches",
            )
        passed.append(f"route {place + 1}: {why_not}")
    reason = "; ".join(passed) if passed else "no routes are configured"
    return RouteDecision(receivers=default, route=None, reason=f"default ({reason})")
