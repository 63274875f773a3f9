"""How often something about an action was tried in vain, and when it is due again.

Kept in the row's ``decision`` under ``again``, by what was tried: ``{"count": 3, "at": ...}``.
Waits double from 2 s to a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

FAILURES = "failures"
TARGET = "target"
COUNTERFACTUAL = "counterfactual"

FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 60.0


def wait_s(count: int) -> float:
    """Seconds to wait after ``count`` tries (1 or more)."""
    return min(FIRST_WAIT_S * 2.0 ** min(count - 1, 30), LONGEST_WAIT_S)


def count(decision: Mapping[str, Any], what: str) -> int:
    """Tries so far."""
    return int(decision.get("again", {}).get(what, {}).get("count", 0))


def is_due(decision: Mapping[str, Any], what: str, now: datetime) -> bool:
    """Whether it may be tried now; so it is where it never was."""
    at = decision.get("again", {}).get(what, {}).get("at")
    return at is None or now >= datetime.fromisoformat(at)


def later(decision: Mapping[str, Any], what: str, now: datetime) -> dict[str, Any]:
    """The decision with one more try, in vain, at ``now``."""
    tries = count(decision, what) + 1
    at = now + timedelta(seconds=wait_s(tries))
    again = {**decision.get("again", {}), what: {"count": tries, "at": at.isoformat()}}
    return {**decision, "again": again}


def over(decision: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The decision with these tries forgotten."""
    again = {name: each for name, each in decision.get("again", {}).items() if name != what}
    return {**decision, "again": again}
