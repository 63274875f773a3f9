"""The end of a ring that callers write to: many threads of one process."""

from __future__ import annotations

import threading
from collections import Counter

from vigil.ring import layout
from vigil.ring.layout import (
    ALIGN,
    COMMIT,
    COMMITTED,
    HEAD,
    HEADER_BYTES,
    KIND,
    LOST,
    OPEN,
    PADDING,
    RECORDS,
    RECORDS_IN,
    RECORDS_OUT,
    SEQUENCE,
    TAIL,
    fence,
)
from vigil.ring.memory import Memory

WARM_BYTES = 2 * 2**20


class Writer:
    """Slots for callers. The lock is held while a slot is reserved, not while it is filled.

    Measured against a ring for each thread: reserving takes half a microsecond, and one order of
    slots keeps the records of a process in the order they were made.

    Args:
        memory: a ring that no other process writes to.
        max_records: how many records may wait.
        max_bytes: the largest slot; at most half of the ring.
    """

    def __init__(self, memory: Memory, *, max_records: int, max_bytes: int) -> None:
        self.memory = memory
        self._words = memory.words
        self._capacity = memory.capacity
        self._max_records = max_records
        self._largest = min(max_bytes, memory.capacity // 2)
        self._lock = threading.Lock()
        self._head = 0
        self._records = self._abandoned = 0
        self._slots = 0

    def reserve(self, kind: int, size: int, n: int) -> int | None:
        """A slot of ``size`` bytes, its header among them, for n records: where it starts.

        None where there is no room: the records are counted as ``queue_full``.
        """
        size = (size + ALIGN - 1) & -ALIGN
        words, at = self._words, None
        try:
            with self._lock:
                head, tail = self._head, words[TAIL]
                place = head % self._capacity
                left = self._capacity - place
                # Where nothing waits the ring starts over: memory used just now is still in the
                # cache.
                starts_over = head == tail and size <= place > WARM_BYTES
                padding = left if left < size or starts_over else 0
                if (
                    size > self._largest
                    or head + padding + size - tail > self._capacity
                    or self._records - words[RECORDS_OUT] + n > self._max_records
                ):
                    words[LOST] += n
                    return None
                if padding:
                    word = self._open(place, padding, PADDING, 0)
                    words[word + COMMIT] = self._slots << 2 | COMMITTED
                    head += padding
                    place = 0
                at = self._open(place, size, kind, n)
                self._head = head + size
                self._records += n
                words[RECORDS_IN] = self._records
                fence()
                words[HEAD] = self._head
            return at << 3
        except BaseException:
            if at is not None:
                self._disown(at)
            raise

    def commit(self, at: int) -> None:
        """The slot holds what it should."""
        self._finish(at, layout.COMMITTED)

    def abandon(self, at: int) -> None:
        """The slot will never hold what it should; the reader passes over it."""
        with self._lock:
            self._abandoned += self._words[(at >> 3) + layout.RECORDS]
        self._finish(at, layout.ABANDONED)

    def lose(self, reason: str, n: int) -> None:
        """Count n records that are not recorded."""
        place = layout.REASON_AT.get(reason, layout.REASON_AT["error"])
        with self._lock:
            self._words[layout.LOST + place] += n

    @property
    def recorded(self) -> int:
        """Records of slots that were filled or are being filled."""
        return self._records - self._abandoned

    @property
    def waiting(self) -> int:
        """Records that the reader has not finished with."""
        return self._records - int(self._words[layout.RECORDS_OUT])

    @property
    def drained(self) -> bool:
        """Whether the reader has finished with everything."""
        return bool(self._words[layout.TAIL] == self._head)

    def lost(self) -> Counter[str]:
        """What was not recorded, and what the reader lost, by reason, since the start."""
        found: Counter[str] = Counter()
        for place, reason in enumerate(layout.REASONS):
            count = self._words[layout.LOST + place] + self._words[layout.READ_LOST + place]
            if count:
                found[reason] = int(count)
        return found

    def close(self) -> None:
        """Nothing more will come."""
        self._words[layout.CLOSED] = 1

    def _disown(self, at: int) -> None:
        """A signal's handler raised while the slot was reserved: nobody will fill it."""
        with self._lock:
            self._words[HEAD] = self._head
        self.abandon(at << 3)

    def _open(self, place: int, size: int, kind: int, n: int) -> int:
        """Write the header of a slot; its first word."""
        words, at = self._words, (HEADER_BYTES + place) >> 3
        self._slots += 1
        words[at + COMMIT] = OPEN
        words[at] = size
        words[at + SEQUENCE] = self._slots
        words[at + KIND] = kind
        words[at + RECORDS] = n
        return at

    def _finish(self, at: int, state: int) -> None:
        word = at >> 3
        fence()
        self._words[word + COMMIT] = self._words[word + SEQUENCE] << 2 | state
