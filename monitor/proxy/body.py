"""What is kept of a message while it passes, within bounds."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Budget:
    """How many bytes all messages together may hold; from any thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether there is room; then it is taken."""
        with self._lock:
            if self.used + size > self.most:
                return False
            self.used += size
        return True

    def give(self, size: int) -> None:
        """Make room again."""
        with self._lock:
            self.used -= size


class Body:
    """The bytes of one message, as views on what came from the socket: nothing is copied.

    ``lost`` says why it is not kept, such as ``too_large``; "" where it is.
    """

    __slots__ = ("_budget", "_most", "lost", "parts", "size")

    def __init__(self, budget: Budget, most: int, *, kept: bool) -> None:
        self._budget, self._most = budget, most
        self.parts: list[memoryview] = []
        self.size = 0
        self.lost = "" if kept else "not_wanted"

    def add(self, part: memoryview) -> None:
        if self.lost:
            return
        if self.size + len(part) > self._most:
            self.drop("too_large")
        elif not self._budget.take(len(part)):
            self.drop("overload")
        else:
            self.size += len(part)
            self.parts.append(part)

    def drop(self, why: str) -> None:
        """Keep nothing of it."""
        self.lost = self.lost or why
        self.release()

    def release(self) -> None:
        self._budget.give(self.size)
        self.parts, self.size = [], 0


NewBody = Callable[[bool], Body]
"""Makes a body; the argument says whether its bytes are wanted."""
