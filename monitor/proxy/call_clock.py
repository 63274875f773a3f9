"""Records are dated when their calls passed, however long they waited to be recorded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from vigil.clock import Clock, SystemClock
from vigil.types import utc


class CallClock:
    """The time of the call that this thread records; elsewhere, and between calls, the real one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock if clock is not None else SystemClock()
        self._mine = threading.local()

    def now(self) -> datetime:
        at_s = getattr(self._mine, "at_s", None)
        return self._clock.now() if at_s is None else utc(at_s)

    @contextmanager
    def at(self, at_s: float) -> Iterator[None]:
        """While in it, it is so many seconds since 1970 for this thread."""
        self._mine.at_s = at_s
        try:
            yield
        finally:
            self._mine.at_s = None
