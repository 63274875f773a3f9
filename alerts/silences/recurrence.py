"""Windows that come back: an RRULE (RFC 5545), by the clocks of a time zone, each so long.

Understood are ``FREQ=DAILY`` (with ``BYDAY``, without ``INTERVAL`` then), ``FREQ=WEEKLY``
(``BYDAY``, ``WKST``) and ``FREQ=MONTHLY`` (``BYDAY`` such as ``1SA`` or ``-1FR``, or
``BYMONTHDAY``, or ``BYDAY`` with ``BYSETPOS``), each with ``INTERVAL``. Every such rule has a next
occurrence within months, so the work is bounded; the time of day is that of the first start. A time
that the clocks skip is read with the offset from before the change, one that comes twice is the
first; a window lasts its duration in elapsed time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrulestr

from alerts.silences.errors import RecurrenceError, shortened

LONGEST_WINDOW = timedelta(days=31)
_KEPT = 500
_DAYS = "(?:MO|TU|WE|TH|FR|SA|SU)"
_DAY = "(?:[1-9]|1[0-9]|2[0-8])"
_VALUES = {
    "FREQ": "DAILY|WEEKLY|MONTHLY",
    "INTERVAL": "[1-9][0-9]?",
    "BYDAY": f"(?:[+-]?[1-4])?{_DAYS}(?:,(?:[+-]?[1-4])?{_DAYS}){{0,30}}",
    "BYMONTHDAY": f"-?{_DAY}(?:,-?{_DAY}){{0,30}}",
    "BYSETPOS": "-?[1-4]",
    "WKST": _DAYS,
}
_PLAIN_DAYS = re.compile(f"{_DAYS}(?:,{_DAYS})*")
_MOST_INTERVAL = {"DAILY": 90, "WEEKLY": 26, "MONTHLY": 6}


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """One occurrence, in UTC; occurrences that touch are one."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Recurrence:
    """``rule`` by the clocks of ``time_zone`` (an IANA name), each time for ``duration``.

    Raises:
        RecurrenceError: a rule, a time zone or a duration that can't be used.
    """

    rule: str
    time_zone: str
    duration: timedelta

    def __post_init__(self) -> None:
        check_rule(self.rule)
        check_zone(self.time_zone)
        if not timedelta(0) < self.duration <= LONGEST_WINDOW:
            raise RecurrenceError(
                f"each window lasts at most {LONGEST_WINDOW.days} days, and more than nothing"
            )

    def windows(self, starts_at: datetime, ends_at: datetime) -> tuple[Window, ...]:
        """The windows that begin between two moments, cut off at the second.

        The first begins at ``starts_at``, or after it where the rule does not hold then.
        """
        return _windows(self, starts_at, ends_at)

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "time_zone": self.time_zone,
            "duration_s": self.duration.total_seconds(),
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Recurrence:
        return cls(
            rule=plain["rule"],
            time_zone=plain["time_zone"],
            duration=timedelta(seconds=plain["duration_s"]),
        )


def window_at(windows: tuple[Window, ...], at: datetime) -> Window | None:
    """The window that a moment lies in."""
    place = bisect_right(windows, at, key=lambda each: each.starts_at) - 1
    return windows[place] if place >= 0 and at < windows[place].ends_at else None


def window_after(windows: tuple[Window, ...], at: datetime) -> Window | None:
    """The first window that begins after a moment."""
    place = bisect_right(windows, at, key=lambda each: each.starts_at)
    return windows[place] if place < len(windows) else None


def check_zone(name: str) -> ZoneInfo:
    """Raises:
    RecurrenceError: not the name of a time zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RecurrenceError(
            f"{shortened(name)!r} is not a time zone such as Europe/Berlin or UTC"
        ) from None


def check_rule(rule: str) -> None:
    """Raises:
    RecurrenceError: not a rule of the kind that this module reads.
    """
    if len(rule) > 300:
        raise RecurrenceError("a recurrence rule has at most 300 characters")
    parts: dict[str, str] = {}
    for part in rule.split(";"):
        key, _, value = part.partition("=")
        if key not in _VALUES or not re.fullmatch(_VALUES[key], value):
            raise RecurrenceError(f"recurrence {shortened(part)!r}: {_expected(key)}")
        if key in parts:
            raise RecurrenceError(f"recurrence: {key} is given twice")
        parts[key] = value
    frequency = parts.get("FREQ")
    if frequency is None:
        raise RecurrenceError("recurrence: expected FREQ=DAILY, WEEKLY or MONTHLY")
    for refused in _clashes(frequency, parts):
        raise RecurrenceError(f"recurrence {rule!r}: {refused}")


def _expected(key: str) -> str:
    if key in ("COUNT", "UNTIL"):
        return "when it is over is said by the end of the silence"
    if key in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        return "the time of day is that of its first start"
    match key:
        case "FREQ":
            return "expected FREQ=DAILY, WEEKLY or MONTHLY"
        case "INTERVAL":
            return "expected a number from 1 to 99"
        case "BYDAY":
            return "expected days such as SA,SU or 1SA (1 to 4, -1 to -4)"
        case "BYMONTHDAY":
            return "expected days such as 1,15 or -1 (the last); 1 to 28, -1 to -28"
        case "BYSETPOS":
            return "expected 1 to 4 or -1 to -4"
        case "WKST":
            return "expected a day such as MO"
    return f"expected {', '.join(_VALUES)}"


def _clashes(frequency: str, parts: Mapping[str, str]) -> list[str]:
    """What could make a rule that never comes again, or is not RFC 5545."""
    plain_days = bool(_PLAIN_DAYS.fullmatch(parts.get("BYDAY", "")))
    monthly = frequency == "MONTHLY"
    found = []
    if int(parts.get("INTERVAL", "1")) > _MOST_INTERVAL[frequency]:
        found.append(f"with {frequency}, INTERVAL is at most {_MOST_INTERVAL[frequency]}")
    if frequency == "DAILY" and "BYDAY" in parts and parts.get("INTERVAL", "1") != "1":
        found.append("with DAILY, give BYDAY or INTERVAL, not both")
    if "BYDAY" in parts and not plain_days and not monthly:
        found.append("a day with a number, such as 1SA, needs FREQ=MONTHLY")
    if "BYMONTHDAY" in parts and (not monthly or "BYDAY" in parts):
        found.append("BYMONTHDAY needs FREQ=MONTHLY, without BYDAY")
    if "BYSETPOS" in parts and (not monthly or not plain_days):
        found.append("BYSETPOS needs FREQ=MONTHLY and BYDAY without numbers")
    return found


@lru_cache(maxsize=_KEPT)
def _windows(recurrence: Recurrence, starts_at: datetime, ends_at: datetime) -> tuple[Window, ...]:
    zone = ZoneInfo(recurrence.time_zone)
    first = starts_at.astimezone(zone).replace(tzinfo=None, fold=0)
    found: list[Window] = []
    for local in rrulestr(recurrence.rule, dtstart=first):
        begins = local.replace(tzinfo=zone).astimezone(UTC)
        if begins >= ends_at:
            break
        ends = min(begins + recurrence.duration, ends_at)
        if found and begins <= found[-1].ends_at:
            found[-1] = Window(starts_at=found[-1].starts_at, ends_at=max(ends, found[-1].ends_at))
        else:
            found.append(Window(starts_at=begins, ends_at=ends))
    return tuple(found)
