"""Where things lie in a ring. Everything is little-endian words of 8 bytes.

A header of 16 KiB, then ``capacity`` bytes of slots, each a multiple of 64 bytes long and never
over the end: what is left there is a slot of padding. Positions count bytes from the start of time;
a position modulo the capacity is a place.

A slot is seen by the reader once ``HEAD`` lies behind it, and read once its commit word says so;
the commit word is written last. What is relied on: an aligned word of 8 bytes is written and read
in one piece, and in this order. x86 keeps the order of stores; elsewhere a lock is given back and
another taken before each such word, which orders memory there (``fence``).
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable

MAGIC = int.from_bytes(b"VIGLRING", "little")
FORMAT = 1
WORD = 8
ALIGN = 64
HEADER_BYTES = 16 * 1024
IDENTITY_AT = 1024
MOST_IDENTITY_BYTES = HEADER_BYTES - IDENTITY_AT
LEAST_CAPACITY = 64 * 1024

# Words of the header: what never changes, what the writer counts, what the reader counts.
MAGIC_AT, FORMAT_AT, CAPACITY_AT, PID_AT, IDENTITY_BYTES_AT = range(5)
HEAD, RECORDS_IN, CLOSED = range(8, 11)
TAIL, RECORDS_OUT, READER, LABELS_REFUSED, WINDOWS = range(16, 21)
LOST, READ_LOST = 24, 48

REASONS = (
    "queue_full",
    "bad_shape",
    "closed",
    "error",
    "late",
    "bad_time",
    "spool_full",
    "spool_failed",
    "torn",
    "no_consent",
    "corrupt",
    "truncated",
    "no_ring",
    "ring_gone",
    "reentrant",
    "capturing",
)
"""Why records were not recorded; what has no place here is an ``error``."""
REASON_AT = {reason: place for place, reason in enumerate(REASONS)}

# Words of a slot's header.
SIZE, SEQUENCE, COMMIT, KIND, RECORDS, FIRST, TIME, LENGTHS = range(8)
SLOT_HEADER = 8 * WORD
PADDING, CALL, LABELS = range(3)
OPEN, COMMITTED, ABANDONED = range(3)


def aligned(size: int) -> int:
    return (size + ALIGN - 1) & -ALIGN


def nothing() -> None:
    """Stores are seen in order here."""


def two_locks() -> None:
    """What was written before is seen before what is written after: giving a lock back and then
    taking one can't be passed in either direction.

    New locks each time, as a lock that all share might be held for ever after a fork.
    """
    for _ in range(2):
        lock = threading.Lock()
        lock.acquire()
        lock.release()


def fence_of(machine: str) -> Callable[[], None]:
    """What orders stores on a machine, such as ``x86_64``."""
    return nothing if machine.lower() in ("x86_64", "amd64", "i686", "x86") else two_locks


fence = fence_of(platform.machine())
