"""Durations as people type them: ``45m``, ``2h``, ``1d12h``, ``1w``."""

from __future__ import annotations

import re
from datetime import timedelta

from alerts.silences.errors import DurationError, shortened

_UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_WHOLE = re.compile("".join(rf"(?:([0-9]{{1,7}}){unit})?" for unit in _UNITS))
_LONGEST = timedelta(days=3660)


def duration(text: str) -> timedelta:
    """Raises:
    DurationError: not such a text, nothing, or more than ten years.
    """
    found = _WHOLE.fullmatch(text.strip())
    parts = found.groups(default="0") if found else ()
    seconds = sum(int(part) * size for part, size in zip(parts, _UNITS.values(), strict=False))
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise DurationError(
            f"duration {shortened(text)!r}: expected something like 45m, 2h, 1d12h or 1w"
        )
    return timedelta(seconds=seconds)


def spoken(length: timedelta) -> str:
    """The text that ``duration`` reads; whole seconds."""
    rest, parts = int(length.total_seconds()), []
    for unit, size in _UNITS.items():
        if rest >= size and not (unit == "w" and rest % size):
            parts.append(f"{rest // size}{unit}")
            rest %= size
    return "".join(parts) or "0s"
