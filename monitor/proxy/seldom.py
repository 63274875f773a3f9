"""What would be said for every call is said now and then."""

from __future__ import annotations

import time
from collections.abc import Callable


class Seldom:
    """Whether it is time to say something again.

    Args:
        every_s: seconds between two times, at least.
        now_s: a clock that never goes back, seconds.
    """

    def __init__(
        self, every_s: float = 10.0, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._every_s, self._now_s = every_s, now_s
        self._next_s = float("-inf")

    def is_due(self) -> bool:
        """Then it is not, for a while."""
        now_s = self._now_s()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._every_s
        return True
