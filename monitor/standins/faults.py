"""Misbehaviour on demand: the next requests to a stand-in are answered as told here, in order."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One request's fate.

    * ``status``: answer with it at once and do nothing. ``error``: Slack's ``ok: false`` with it.
    * ``lose_answer``: do as asked, then break the connection without an answer.
    * ``hang_s``: wait so long first. ``retry_after_s``: sent along as ``Retry-After``.
    """

    status: int | None = None
    error: str | None = None
    lose_answer: bool = False
    hang_s: float = 0.0
    retry_after_s: float | None = None


class Faults:
    """A queue of faults; a request takes the first."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()
        self._lock = threading.Lock()

    def next(self, *faults: Fault) -> None:
        with self._lock:
            self._queue.extend(faults)

    def take(self) -> Fault | None:
        with self._lock:
            return self._queue.popleft() if self._queue else None

    def peek(self) -> Fault | None:
        with self._lock:
            return self._queue[0] if self._queue else None

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()
