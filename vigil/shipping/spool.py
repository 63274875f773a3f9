"""Where windows wait until the service has them: a folder that survives a crash, or memory.

Both are bounded: when full, the oldest entry makes room and its records are counted.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vigil.errors import WireError
from vigil.windows import wire

DEFAULT_MAX_BYTES = 256 * 2**20
MAX_SET_ASIDE = 100
LEFTOVER_S = 60.0
_SUFFIX = ".vgl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One blob that waits. Its name sorts by age and says what it holds.

    ``kind`` is ``window`` or ``labels``; ``boot`` and ``sequence`` identify it, ``records`` is the
    number of inferences or labels in it.
    """

    order: int
    kind: str
    boot: str
    sequence: int
    records: int

    @property
    def name(self) -> str:
        return f"{self.order:020d}_{self.kind}_{self.boot}_{self.sequence}_{self.records}{_SUFFIX}"

    @classmethod
    def parse(cls, name: str) -> Entry | None:
        parts = name.removesuffix(_SUFFIX).split("_")
        if not name.endswith(_SUFFIX) or len(parts) != 5:
            return None
        try:
            return cls(int(parts[0]), parts[1], parts[2], int(parts[3]), int(parts[4]))
        except ValueError:
            return None


class Spool(Protocol):
    """Entries in order of age. No method raises for want of space or a damaged file."""

    @property
    def counts(self) -> Counter[str]:
        """What went wrong so far: ``spool_full`` and ``spool_failed`` count records, ``damaged``
        and ``rejected`` count entries."""
        ...

    def put(self, entry: Entry, blob: bytes) -> bool:
        """Keep an entry; whether it is kept."""
        ...

    def entries(self) -> list[Entry]: ...

    def read(self, entry: Entry) -> bytes | None:
        """Its blob; None where it is gone, or was damaged and has been set aside."""
        ...

    def remove(self, entry: Entry) -> None: ...

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Take it out of the line for good, kept for inspection where there is a place."""
        ...


class MemorySpool:
    """A spool that ends with the process."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: deque[tuple[Entry, bytes]] = deque()
        self._bytes = 0
        self.counts: Counter[str] = Counter()

    def put(self, entry: Entry, blob: bytes) -> bool:
        with self._lock:
            if len(blob) > self._max_bytes:
                self.counts["spool_full"] += entry.records
                return False
            self._kept.append((entry, blob))
            self._bytes += len(blob)
            while self._bytes > self._max_bytes:
                oldest, lost = self._kept.popleft()
                self._bytes -= len(lost)
                self.counts["spool_full"] += oldest.records
        return True

    def entries(self) -> list[Entry]:
        with self._lock:
            return [entry for entry, _ in self._kept]

    def read(self, entry: Entry) -> bytes | None:
        with self._lock:
            return next((blob for kept, blob in self._kept if kept == entry), None)

    def remove(self, entry: Entry) -> None:
        with self._lock:
            self._kept = deque(item for item in self._kept if item[0] != entry)
            self._bytes = sum(len(blob) for _, blob in self._kept)

    def set_aside(self, entry: Entry, reason: str) -> None:
        self.remove(entry)
        self.counts[reason] += 1


class DiskSpool:
    """A spool in a folder, which several processes may share.

    An entry is written to a temporary file, synced and renamed, so that a crash leaves either all
    of it or nothing. Names are unique (boot and sequence), and the service counts an entry once
    however many processes send it. What is damaged or rejected goes to ``set_aside/`` (the last
    100).

    Args:
        directory: created where it does not exist.
        max_bytes: of the entries that wait.
        sync: forces a file to the disk; replaced in tests.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int = DEFAULT_MAX_BYTES,
        *,
        sync: Callable[[int], None] = os.fsync,
    ) -> None:
        self._directory, self._max_bytes, self._sync = directory, max_bytes, sync
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()
        with contextlib.suppress(OSError):
            directory.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()

    def put(self, entry: Entry, blob: bytes) -> bool:
        try:
            return self.write(entry, blob)
        except OSError:
            self.counts["spool_failed"] += entry.records
            return False

    def write(self, entry: Entry, blob: bytes) -> bool:
        """Keep an entry; whether it is kept, which it is not where it is larger than the spool.

        Raises:
            OSError: the disk is full or fails; nothing of the entry stays.
        """
        with self._lock:
            if len(blob) > self._max_bytes:
                self.counts["spool_full"] += entry.records
                return False
            self._make_room(len(blob))
            temporary = self._directory / f"{entry.name}.tmp"
            try:
                with open(temporary, "wb", opener=for_us) as file:
                    file.write(blob)
                    file.flush()
                    self._sync(file.fileno())
                os.replace(temporary, self._directory / entry.name)
                self._sync_directory()
            except OSError:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
        return True

    def entries(self) -> list[Entry]:
        try:
            names = os.listdir(self._directory)
        except OSError:
            return []
        found = [entry for entry in map(Entry.parse, names) if entry is not None]
        return sorted(found, key=lambda entry: entry.name)

    def read(self, entry: Entry) -> bytes | None:
        try:
            blob = (self._directory / entry.name).read_bytes()
            wire.verify(blob)
        except FileNotFoundError:
            return None
        except (OSError, WireError):
            self.set_aside(entry, "damaged")
            return None
        return blob

    def remove(self, entry: Entry) -> None:
        with contextlib.suppress(OSError):
            (self._directory / entry.name).unlink()

    def set_aside(self, entry: Entry, reason: str) -> None:
        with self._lock:
            self.counts[reason] += 1
            folder = self._directory / "set_aside"
            try:
                folder.mkdir(exist_ok=True)
                os.replace(self._directory / entry.name, folder / f"{entry.name}.{reason}")
                for name in sorted(os.listdir(folder))[:-MAX_SET_ASIDE]:
                    (folder / name).unlink()
            except OSError:
                self.remove(entry)

    def _remove_leftovers(self) -> None:
        """Half-written files of processes that were killed; a living one needs but a moment."""
        for path in self._directory.glob("*.tmp"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > LEFTOVER_S:
                    path.unlink()

    def _make_room(self, needed: int) -> None:
        sizes = []
        for entry in self.entries():
            with contextlib.suppress(OSError):
                sizes.append((entry, (self._directory / entry.name).stat().st_size))
        total = sum(size for _, size in sizes)
        for entry, size in sizes:
            if total + needed <= self._max_bytes:
                return
            self.remove(entry)
            self.counts["spool_full"] += entry.records
            total -= size

    def _sync_directory(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            self._sync(descriptor)
        finally:
            os.close(descriptor)


def for_us(path: str, flags: int) -> int:
    """An opener of files that hold records: no other user may read them."""
    return os.open(path, flags, 0o600)
