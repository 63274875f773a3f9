"""The page of what is checked before a release and set beside one: canaries, gates, controls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class CanaryLine:
    """``accept``, ``rollback``: factors of evidence; ``needed`` decides. ``units``: (old, new)."""

    id: int
    model: str
    deployment: str
    candidate: str
    control: str
    share: float
    margin: float
    alpha: float
    state: str
    reason: str
    difference: float
    units: tuple[int, int]
    accept: float
    rollback: float
    outputs_differ: bool
    left_out: int
    started_at: datetime
    ended_at: datetime | None
    incident: int | None

    @property
    def needed(self) -> float:
        return 1.0 / self.alpha

    @property
    def is_running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckLine:
    """One check of a gate; figures are None where there are none."""

    family: str
    name: str
    outcome: str
    text: str
    value: float | None
    low: float | None
    high: float | None
    limit: float | None
    unit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLine:
    id: int
    model: str
    deployment: str
    candidate: str
    control: str
    outcome: str
    at: datetime
    actor: str
    checks: tuple[CheckLine, ...]

    @property
    def telling(self) -> tuple[CheckLine, ...]:
        """The checks that made the outcome, unless all passed."""
        if self.outcome == "pass":
            return ()
        return tuple(one for one in self.checks if one.outcome == self.outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class ControlLine:
    """``why``: what the guard or the target said last. ``can_undo``: carried out, and not undone
    yet."""

    id: int
    model: str
    deployment: str
    what: str
    name: str
    before: str
    after: str
    state: str
    why: str
    reason: str
    plan_hash: str
    actor: str
    approved_by: str
    incident: int | None
    at: datetime
    can_undo: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleasesView:
    """``settable``: the (model, deployment) whose controls can be set; ``startable``: of which a
    canary can be started."""

    canaries: tuple[CanaryLine, ...]
    gates: tuple[GateLine, ...]
    controls: tuple[ControlLine, ...]
    settable: tuple[tuple[str, str], ...]
    startable: tuple[tuple[str, str], ...] = ()
