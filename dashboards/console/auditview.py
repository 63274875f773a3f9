"""What the page of the self-audit shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditLine:
    """One row of a table: where (signal and slice of a model), and what is said of it."""

    signal: str
    slice: str
    model: str
    deployment: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditView:
    """The latest audit. ``made_at`` None: none has succeeded yet. ``error``: why the newest attempt
    came to nothing. ``beyond``: more pages than the budget explains."""

    made_at: datetime | None
    every_days: float
    running: bool
    error: str
    beyond: bool
    summary: str
    closest: str
    figures: tuple[tuple[str, str], ...]
    pages: tuple[AuditLine, ...]
    peaks: tuple[AuditLine, ...]
    kinds: tuple[tuple[str, ...], ...]
    leaks: tuple[AuditLine, ...]
    memory: tuple[tuple[str, ...], ...]
    false_pages: int
    undecided: int
    false_budget: float
    false_days: float
