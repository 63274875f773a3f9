"""How many messages a receiver gets in a minute, and when the rest becomes one summary. Pure.

The last message that a minute has room for is a summary where more than one is waiting; so people
hear of everything at once, in at most ``per_minute`` messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MINUTE = timedelta(seconds=60)


class Turn(StrEnum):
    GO = "go"
    LAST = "last"
    """One message more has room: a summary, where several wait."""
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """``sent`` messages since ``since``."""

    since: datetime | None = None
    sent: int = 0

    def at(self, now: datetime) -> Pace:
        """The same, or a new minute."""
        over = self.since is None or not self.since <= now < self.since + MINUTE
        return Pace(since=now) if over else self

    def turn(self, per_minute: int | None, now: datetime) -> Turn:
        if per_minute is None:
            return Turn.GO
        sent = self.at(now).sent
        if sent >= per_minute:
            return Turn.WAIT
        return Turn.LAST if sent == per_minute - 1 else Turn.GO

    def counted(self, now: datetime) -> Pace:
        """One more goes."""
        current = self.at(now)
        return Pace(since=current.since, sent=current.sent + 1)
