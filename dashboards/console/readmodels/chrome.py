"""What surrounds every page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Chrome:
    """What surrounds every page: the bar at the top, who is signed in, how often to refresh."""

    page: str
    now: datetime
    open_incidents: int = 0
    last_tick_at: datetime | None = None
    tick_late: bool = False
    actions_stopped: bool = False
    user: str | None = None
    csrf: str = ""
    can_operate: bool = False
    can_approve: bool = False
    refresh_s: int = 0
    notice: str = ""
    notice_level: str = "info"
