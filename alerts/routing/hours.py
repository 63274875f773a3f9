"""A part of the week, by the clocks of a place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """From ``start`` until before ``end``, on ``days``; past midnight where ``end`` is not after
    ``start``, and then it belongs to the day on which it began.

    Wall clocks decide: the hour that a change of the clocks repeats belongs to it twice, the one
    that is skipped never comes.
    """

    name: str
    days: tuple[str, ...]
    start: time
    end: time
    zone: ZoneInfo

    def covers(self, at: datetime) -> bool:
        local = at.astimezone(self.zone)
        today, clock = DAYS[local.weekday()], local.time()
        if self.start < self.end:
            return today in self.days and self.start <= clock < self.end
        yesterday = DAYS[(local - timedelta(days=1)).weekday()]
        evening = today in self.days and clock >= self.start
        return evening or (yesterday in self.days and clock < self.end)

    def __str__(self) -> str:
        span = f"{self.start:%H:%M} to {self.end:%H:%M}"
        return f"{', '.join(self.days)} {span} {self.zone.key}"
