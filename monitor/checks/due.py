"""Which ticks are due: a pure function of the clock, what was judged, and what is waiting.

Ticks are numbered: tick t covers the window of time that ends at ``t * window_s`` since 1970.
"""

from __future__ import annotations

import math
from datetime import datetime

from vigil.types import utc

MOST_AT_ONCE = 500


def number_of(end: datetime, window_s: float) -> int:
    """The tick that covers the window which ends at ``end``."""
    return round(end.timestamp() / window_s)


def number_containing(end: datetime, window_s: float) -> int:
    """The first tick whose end is not before ``end``."""
    return math.ceil(end.timestamp() / window_s - 1e-6)


def end_of(tick: int, window_s: float) -> datetime:
    return utc(tick * window_s)


def due_ticks(
    now: datetime,
    *,
    window_s: float,
    lateness_s: float,
    last: int | None,
    oldest_waiting: datetime | None,
    up_since: datetime,
    catch_up_s: float,
) -> range:
    """The ticks to run now, oldest first.

    A tick is due when its window closed ``lateness_s`` ago. After a restart the ticks that were
    missed wait ``catch_up_s`` more, so that collectors can send what they spooled meanwhile. A
    stretch without any waiting window is passed over at once.

    Args:
        last: the last tick that ran; None: none ever did.
        oldest_waiting: end of the oldest live window that no tick has counted.
    """
    closed = math.floor((now.timestamp() - lateness_s) / window_s)
    missed = math.floor(up_since.timestamp() / window_s)
    if now.timestamp() < up_since.timestamp() + catch_up_s:
        closed = min(closed, (last if last is not None else missed - 1))
    if last is None:
        first = closed
        if oldest_waiting is not None:
            first = min(first, number_containing(oldest_waiting, window_s))
    else:
        first = last + 1
        if closed - first > MOST_AT_ONCE:
            waiting = closed
            if oldest_waiting is not None:
                waiting = number_containing(oldest_waiting, window_s)
            first = max(first, min(waiting, closed))
    return range(first, min(closed + 1, first + MOST_AT_ONCE))
