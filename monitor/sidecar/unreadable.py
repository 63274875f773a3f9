"""Files in the folder of rings that can't be read: why, when to try again, when to remove them.

A ring takes memory, so those of processes that are gone must not pile up. What is removed is surely
ours: a plain file of this user under the name that a tap gives its ring. What another vigil, or
another set of plug-ins, could still read is kept longer than what is damaged.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vigil.errors import FormatVersionError, WireError
from vigil.ring.memory import CutError, is_locked

log = logging.getLogger("vigil.sidecar")

AGAIN_S = 30.0
_OURS = re.compile(r"[0-9a-f]{12}(-\d+)?\.ring")


class Why(StrEnum):
    """Why a file is not read."""

    DAMAGED = "damaged"
    CUT = "cut"
    OTHER_FORMAT = "other_format"
    UNDECLARED = "undeclared_signals"
    NO_ACCESS = "no_access"
    NOT_REMOVED = "not_removed"
    TAKEN = "taken"
    ERROR = "error"


REMOVED_AFTER_S = {
    Why.DAMAGED: 300.0,
    Why.CUT: 300.0,
    Why.OTHER_FORMAT: 3600.0,
    Why.UNDECLARED: 3600.0,
    Why.ERROR: 3600.0,
}
"""Since no process has the file locked; what is not here is never removed."""


def why_of(error: Exception) -> Why:
    """The reason that an error stands for."""
    kinds: tuple[tuple[type[Exception], Why], ...] = (
        (CutError, Why.CUT),
        (FormatVersionError, Why.OTHER_FORMAT),
        (WireError, Why.DAMAGED),
        (ValueError, Why.UNDECLARED),
        (OSError, Why.NO_ACCESS),
    )
    return next((why for kind, why in kinds if isinstance(error, kind)), Why.ERROR)


@dataclass(slots=True)
class _File:
    why: Why
    tried_s: float
    free_s: float | None = None
    """Since when no process has it locked."""


class Unreadable:
    """Those of one folder.

    Args:
        monotonic: a clock, seconds.

    Attributes:
        removed: how many files were removed, by reason.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._files: dict[str, _File] = {}
        self.removed: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._files)

    @property
    def reasons(self) -> dict[str, str]:
        """Why, by file name."""
        return {name: str(one.why) for name, one in self._files.copy().items()}

    def keep(self, names: Collection[str]) -> None:
        """Forget files that are not among these any more."""
        self._files = {name: one for name, one in self._files.items() if name in names}

    def is_due(self, name: str) -> bool:
        """Whether to try to read a file: for the first time, or again."""
        one = self._files.get(name)
        if one is None:
            return True
        is_ours = one.why not in (Why.NOT_REMOVED, Why.TAKEN)
        return is_ours and self._monotonic() - one.tried_s >= AGAIN_S

    def read(self, name: str) -> None:
        """It could be read this time."""
        self._files.pop(name, None)

    def failed(self, path: Path, error: Exception, why: Why | None = None) -> None:
        """It could not be read; it is removed where that has lasted."""
        now_s, why = self._monotonic(), why or why_of(error)
        one = self._files.get(path.name)
        if one is None or one.why is not why:
            log.warning("%s is not read (%s): %s", path.name, why, error)
            one = self._files[path.name] = _File(why, now_s)
        one.tried_s = now_s
        if why not in REMOVED_AFTER_S or not _OURS.fullmatch(path.name) or not _is_free(path):
            one.free_s = None
            return
        one.free_s = now_s if one.free_s is None else one.free_s
        if now_s - one.free_s >= REMOVED_AFTER_S[why]:
            self._remove(path, why)

    def _remove(self, path: Path, why: Why) -> None:
        try:
            path.unlink()
        except OSError as error:
            self._files[path.name] = _File(Why.NO_ACCESS, self._monotonic())
            log.warning("%s can't be removed: %s", path.name, error)
            return
        del self._files[path.name]
        self.removed[why] += 1
        log.warning("%s is removed: its process is gone, and it could not be read", path.name)


def _is_free(path: Path) -> bool:
    """Whether it is a plain file of ours that no process has locked."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        found = os.fstat(descriptor)
        is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        return is_ours and not is_locked(descriptor)
    finally:
        os.close(descriptor)
