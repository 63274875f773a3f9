"""The memory of a ring: this process's own, or a file that a sidecar maps too."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import sys
from pathlib import Path

import numpy as np

from vigil.errors import FormatVersionError, WireError
from vigil.ring import layout
from vigil.ring.identity import Identity

SUFFIX = ".ring"


class CutError(WireError):
    """The file of a ring became shorter: to touch what is missing would kill this process."""


class TakenError(WireError):
    """Another reader began to read a ring: from then on it is that one's."""


class Memory:
    """Mapped memory as bytes and as words.

    Attributes:
        bytes, words, times: the same memory, as ``B``, as ``Q`` and as ``d``.
        capacity: bytes of slots behind the header.
    """

    def __init__(self, mapped: mmap.mmap, *, path: Path | None, file: int | None) -> None:
        self._mapped, self.path, self._file = mapped, path, file
        self.bytes = memoryview(mapped)
        self.words = self.bytes.cast("Q")
        self.times = self.bytes.cast("d")
        self.capacity = int(self.words[layout.CAPACITY_AT])

    @classmethod
    def private(cls, capacity: int) -> Memory:
        """Memory without a file. Pages that are never written cost nothing.

        It is mapped as shared so that after a fork no page has to be copied; the child does not
        use it.
        """
        capacity = rounded(capacity)
        mapped = mmap.mmap(-1, layout.HEADER_BYTES + capacity)
        _write_header(mapped, capacity, b"")  # nobody else asks whose it is
        return cls(mapped, path=None, file=None)

    @classmethod
    def create(
        cls,
        folder: Path,
        capacity: int,
        identity: Identity,
        *,
        number: int = 0,
        first_window: int = 0,
    ) -> Memory:
        """A file in ``folder`` under the name of the boot, locked while this process lives.

        All of its memory is taken now: a file system that were full later would kill the process
        with SIGBUS. The file gets its name last, so that no reader finds half a header.

        Args:
            number: which ring of its boot this is; each has a name of its own.
            first_window: the number of the first window that is made of it.

        Raises:
            OSError: no such folder can be made, no room, no permission.
            ValueError: an identity that is too long.
        """
        capacity = rounded(capacity)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{identity.boot}-{number}" if number else identity.boot
        path, unfinished = folder / f"{name}{SUFFIX}", folder / f".{name}.new"
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        lock = None
        try:
            os.posix_fallocate(descriptor, 0, layout.HEADER_BYTES + capacity)
            mapped = mmap.mmap(descriptor, layout.HEADER_BYTES + capacity)
            _write_header(mapped, capacity, identity.to_bytes(), first_window)
            # A description of its own: the one that is mapped can't always be closed after a fork.
            lock = os.open(unfinished, os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(unfinished, path)
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
            if lock is not None:
                os.close(lock)
            raise
        finally:
            os.close(descriptor)
        return cls(mapped, path=path, file=lock)

    @classmethod
    def open(cls, path: Path) -> tuple[Memory, Identity]:
        """The ring of another process.

        Raises:
            WireError: not a ring, or damaged; ``FormatVersionError`` of another format.
            OSError: it is gone or can't be mapped.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            if size < layout.HEADER_BYTES:
                raise WireError(f"{path.name}: too short for a ring")
            mapped = mmap.mmap(descriptor, size)
            try:
                return cls._checked(mapped, size, path, descriptor)
            except WireError:
                mapped.close()
                raise
        except (OSError, ValueError, WireError):
            os.close(descriptor)
            raise

    @classmethod
    def _checked(
        cls, mapped: mmap.mmap, size: int, path: Path, file: int
    ) -> tuple[Memory, Identity]:
        found = [
            int.from_bytes(mapped[at * layout.WORD : (at + 1) * layout.WORD], sys.byteorder)
            for at in range(layout.IDENTITY_BYTES_AT + 1)
        ]
        if found[layout.MAGIC_AT] != layout.MAGIC:
            raise WireError(f"{path.name}: not a ring")
        if found[layout.FORMAT_AT] != layout.FORMAT:
            raise FormatVersionError("ring", found=found[layout.FORMAT_AT], supported=layout.FORMAT)
        capacity, length = found[layout.CAPACITY_AT], found[layout.IDENTITY_BYTES_AT]
        room = layout.HEADER_BYTES - layout.IDENTITY_AT
        if capacity < layout.LEAST_CAPACITY or capacity % layout.ALIGN:
            raise WireError(f"{path.name}: a ring of another size than it may have")
        if size != layout.HEADER_BYTES + capacity or length > room:
            raise WireError(f"{path.name}: a ring of another size than it says")
        at = layout.IDENTITY_AT
        identity = Identity.from_bytes(mapped[at : at + length])
        return cls(mapped, path=path, file=file), identity

    @property
    def writer_lives(self) -> bool:
        """Whether the process that writes here is alive, as a reader sees it: it holds a lock for
        as long. That of the file, which may have lost its name."""
        return self._file is None or is_locked(self._file)

    @property
    def is_whole(self) -> bool:
        """Whether the file is as long as it was."""
        return self.path is None or self._mapped.size() >= layout.HEADER_BYTES + self.capacity

    def read(self, at: int, size: int) -> memoryview:
        """A copy of some bytes. It is the file that is read: one that was cut costs an error, where
        touching the memory would be the end of this process.

        Raises:
            CutError: the file ends before them.
        """
        copy = np.empty(size, np.uint8)
        if self.path is None or self._file is None:
            np.copyto(copy, np.frombuffer(self.bytes, np.uint8, size, at))
        elif os.preadv(self._file, [copy.data], at) < size:
            raise CutError("the file of a ring was cut shorter")
        return copy.data

    @property
    def is_there(self) -> bool:
        """Whether a reader can still find the file, and all of it."""
        if self._file is None:
            return True
        found = os.fstat(self._file)
        return found.st_nlink > 0 and found.st_size >= layout.HEADER_BYTES + self.capacity

    def __del__(self) -> None:
        # A tap that nobody closed must not seem to live on, nor keep its file.
        file = getattr(self, "_file", None)
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)

    def let_go(self) -> None:
        """Give the lock and the mapping back. What others still look at stays mapped."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                os.close(file)
        with contextlib.suppress(BufferError, ValueError):
            self.times.release()
            self.words.release()
            self.bytes.release()
            self._mapped.close()


def is_locked(file: int) -> bool:
    """Whether another has the lock of an open file; who can't tell says yes."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_UN)
    except OSError:
        return True
    return False


def rounded(capacity: int) -> int:
    """The capacity that a ring of at least so many bytes has."""
    return layout.aligned(max(capacity, layout.LEAST_CAPACITY))


def _write_header(mapped: mmap.mmap, capacity: int, blob: bytes, first_window: int = 0) -> None:
    if len(blob) > layout.MOST_IDENTITY_BYTES:
        raise ValueError(f"a ring holds names of {layout.MOST_IDENTITY_BYTES} bytes")
    mapped[layout.IDENTITY_AT : layout.IDENTITY_AT + len(blob)] = blob
    for at, value in (
        (layout.CAPACITY_AT, capacity),
        (layout.PID_AT, os.getpid()),
        (layout.IDENTITY_BYTES_AT, len(blob)),
        (layout.WINDOWS, first_window),
        (layout.FORMAT_AT, layout.FORMAT),
        (layout.MAGIC_AT, layout.MAGIC),
    ):
        mapped[at * layout.WORD : (at + 1) * layout.WORD] = value.to_bytes(8, sys.byteorder)
