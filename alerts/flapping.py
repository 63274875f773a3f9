"""Damping of incidents that come and go: one that flaps stays open until it has rested.

Pure. A reopening is news the first times; from the n-th within the time on, the incident is not
resolved (and so cannot reopen, and pages nobody again) until it was quiet for as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Damping:
    """The rule: ``after`` reopenings within ``over_s`` seconds are flapping."""

    after: int
    over_s: float

    def flaps(self, reopenings: Sequence[datetime]) -> bool:
        """Whether the latest reopening was the n-th within the time."""
        if not reopenings:
            return False
        latest = max(reopenings)
        since = latest - timedelta(seconds=self.over_s)
        return sum(since <= each <= latest for each in reopenings) >= self.after

    def open_until(
        self, reopenings: Sequence[datetime], *, quiet_since: datetime
    ) -> datetime | None:
        """When an incident that is quiet since then may be resolved; None: it does not flap."""
        if not self.flaps(reopenings):
            return None
        return quiet_since + timedelta(seconds=self.over_s)
