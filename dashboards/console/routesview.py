"""What the page of routes shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteLine:
    """One route of the tree; ``depth`` is how far inside."""

    place: str
    depth: int
    match: str
    receivers: tuple[str, ...]
    escalation: str
    proceed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class StageLine:
    """What one stage says; ``outcome``: pass, stop, change."""

    stage: str
    outcome: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldLine:
    """Who is told when; ``when`` in words."""

    when: str
    receiver: str
    kind: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RouteAnswer:
    """The answer to the form. ``held``: something holds it back, at that moment."""

    labels: tuple[tuple[str, str], ...]
    stages: tuple[StageLine, ...]
    passed: tuple[str, ...]
    told: tuple[ToldLine, ...]
    held: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RoutesView:
    """``form`` holds what was asked, ``choices`` the words of each field that has a list."""

    lines: tuple[RouteLine, ...]
    default: str
    policies: tuple[tuple[str, str], ...]
    inhibitions: tuple[str, ...]
    form: Mapping[str, str]
    choices: Mapping[str, tuple[str, ...]]
    answer: RouteAnswer | None = None
    error: str = ""
