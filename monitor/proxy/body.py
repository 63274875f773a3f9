"""What is kept of a message while it passes, within bounds."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


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


_SMALL = 4096
Part = memoryview | bytearray | bytes


class Body:
    """The bytes of one message, as views on what came from the socket. Copied are only small parts,
    and those of a piece that is mostly something else: a view would hold all of the piece.

    ``lost`` says why it is not kept, such as ``too_large``; "" where it is.
    """

    __slots__ = ("_beside", "_budget", "_most", "lost", "parts", "size")

    def __init__(self, budget: Budget, most: int, *, kept: bool) -> None:
        self._budget, self._most = budget, most
        self.parts: list[Part] = []
        self.size = self._beside = 0
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
            self._append(part)

    def _append(self, part: memoryview) -> None:
        piece: Any = part.obj
        if len(part) >= _SMALL:
            self.parts.append(part if 2 * len(part) >= len(piece) else bytes(part))
        elif self.parts and isinstance(self.parts[-1], bytearray):
            self.parts[-1] += part
        else:
            self.parts.append(bytearray(part))

    def hold(self, size: int) -> bool:
        """Take room for what is kept beside the bytes, such as headers; whether there is any."""
        if not self._budget.take(size):
            return False
        self._beside += size
        return True

    def drop(self, why: str) -> None:
        """Keep nothing of it."""
        self.lost = self.lost or why
        self.release()

    def release(self) -> None:
        self._budget.give(self.size + self._beside)
        self.parts, self.size, self._beside = [], 0, 0


NewBody = Callable[[bool], Body]
"""Makes a body; the argument says whether its bytes are wanted."""
