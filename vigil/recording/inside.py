"""Which threads are in a tap now. A signal handler, or a finaliser, runs in the middle of whatever
its thread does; where that holds a lock of the tap, a call of the tap would wait for itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

REENTRANT = "reentrant"


class Inside:
    """Of one tap.

    Attributes:
        threads: identifiers of those that are inside.
        missed: records that were handed over from inside, and not counted yet: counting them takes
            a lock too. By reason, to be counted by who comes out.
    """

    __slots__ = ("missed", "threads")

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.missed: deque[tuple[str, int]] = deque()

    @contextmanager
    def here(self) -> Iterator[None]:
        """This thread is inside; it may be already."""
        me = get_ident()
        if me in self.threads:
            yield
            return
        try:
            self.threads.add(me)
            yield
        finally:
            self.threads.discard(me)
