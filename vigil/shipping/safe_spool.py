"""A folder that falls back to memory while it can't be written."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from vigil.shipping.spool import DEFAULT_MAX_BYTES, DiskSpool, Entry, MemorySpool

Blobs = list[tuple[Entry, bytes]]


class SafeSpool:
    """A ``DiskSpool`` whose entries wait in memory while the disk is full or fails.

    They are sent from there as from the folder, and move to it when it takes them again. Whoever
    must survive a crash meanwhile keeps ``unsaved`` elsewhere too.

    Args:
        directory: created where it does not exist.
        max_bytes: of the entries that wait in the folder.
        memory_bytes: of those that wait in memory.
        sync: forces a file to the disk.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int = DEFAULT_MAX_BYTES,
        *,
        memory_bytes: int = DEFAULT_MAX_BYTES // 4,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._disk = DiskSpool(directory, max_bytes, sync=sync)
        self._memory = MemorySpool(memory_bytes)
        self._moving = threading.Lock()
        self.failures = 0

    @property
    def counts(self) -> Counter[str]:
        return self._disk.counts + self._memory.counts

    def put(self, entry: Entry, blob: bytes) -> bool:
        """Keep an entry; whether it is kept, on the disk or not."""
        try:
            return self._disk.write(entry, blob)
        except OSError:
            self.failures += 1
            return self._memory.put(entry, blob)

    def entries(self) -> list[Entry]:
        held = self._memory.entries()
        found = self._disk.entries()
        return sorted({*found, *held}, key=lambda entry: entry.name) if held else found

    def read(self, entry: Entry) -> bytes | None:
        held = self._memory.read(entry)
        return self._disk.read(entry) if held is None else held

    def remove(self, entry: Entry) -> None:
        self._memory.remove(entry)
        self._disk.remove(entry)

    def set_aside(self, entry: Entry, reason: str) -> None:
        if self._memory.read(entry) is not None:
            self._memory.set_aside(entry, reason)
        else:
            self._disk.set_aside(entry, reason)

    def unsaved(self) -> Blobs:
        """What is in memory only."""
        pairs = [(entry, self._memory.read(entry)) for entry in self._memory.entries()]
        return [(entry, blob) for entry, blob in pairs if blob is not None]

    def save(self) -> None:
        """Move what waits in memory to the disk, as far as that takes it."""
        with self._moving:
            for entry, blob in self.unsaved():
                try:
                    self._disk.write(entry, blob)
                except OSError:
                    return
                # Shipped meanwhile: it must not come back.
                if self._memory.read(entry) is None:
                    self._disk.remove(entry)
                self._memory.remove(entry)
