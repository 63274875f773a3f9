"""Labels that wait until the windows of their records have been spooled, so that the service knows
the records."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

MAX_LABELS = 100_000

Rows = list[dict[str, Any]]


class WaitingLabels:
    """At most 100,000 labels, by the number of the window in which they came; safe for threads, and
    for signal handlers in the middle of a call: what another call adds meanwhile stays.

    ``refused``: how many labels there was no room for, or that were none.
    """

    def __init__(self, kept: Sequence[tuple[int, Rows]] = (), refused: int = 0) -> None:
        self._lock = threading.RLock()
        self._kept = list(kept)
        self.refused = refused

    def add(self, rows: Rows, window: int) -> int:
        """Keep labels that came in this window; how many there was no room for."""
        with self._lock:
            room = max(0, MAX_LABELS - len(self))
            if rows[:room]:
                self._kept.append((window, rows[:room]))
        return max(0, len(rows) - room)

    def refuse(self, n: int) -> None:
        with self._lock:
            self.refused += n

    def take(self, calls: int, sealed: float) -> Rows:
        """Of the oldest ``calls`` calls, the labels that came in windows before number ``sealed``.

        A record comes before its label, so it is in no later window.
        """
        with self._lock:
            old = self._kept[:calls]
            self._kept[: len(old)] = [one for one in old if one[0] >= sealed]
        return [label for number, labels in old if number < sealed for label in labels]

    @property
    def calls(self) -> int:
        return len(self._kept)

    @property
    def kept(self) -> list[tuple[int, Rows]]:
        """All that wait."""
        with self._lock:
            return list(self._kept)

    def __len__(self) -> int:
        return sum(len(labels) for _, labels in self._kept)
