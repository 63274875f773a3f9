"""Calls and labels as they come out of a ring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from vigil.errors import WireError
from vigil.ring import layout
from vigil.ring.calls import Call
from vigil.ring.decode import Decoder
from vigil.ring.identity import Identity
from vigil.ring.mark import Mark
from vigil.ring.memory import Memory
from vigil.ring.reader import Reader


class Drain:
    """The measuring end of a ring.

    Args:
        memory: the ring.
        identity: whose records it holds.
        position: where to go on.
        on_labels: takes labels and their time, seconds since 1970.
    """

    def __init__(self, memory: Memory, identity: Identity, *, position: int = 0) -> None:
        self.reader = Reader(memory, position)
        self.identity = identity
        self._decoder = Decoder(memory, f"{identity.source}.{identity.boot}.")
        self._lost: Counter[str] = Counter()
        self._torn = 0
        self.on_labels: Callable[[list[dict[str, Any]]], None] = _forget

    def take(self, *, writer_lives: bool = True) -> Call | None:
        """The next call; None where there is none yet.

        Raises:
            CutError: the ring can't be read any more.
        """
        while True:
            slot = self.reader.next(writer_lives=writer_lives)
            if slot is None:
                return None
            try:
                if slot.kind == layout.CALL:
                    return self._decoder.call(slot, self.reader.mark)
                self.on_labels(self._decoder.labels(slot))
            except WireError:
                self._lost["error"] += slot.records

    @property
    def mark(self) -> Mark:
        return self.reader.mark

    def release(self, mark: Mark) -> None:
        """Give the ring back up to a mark: what was before it is safe elsewhere, or counted."""
        self.reader.release(mark)

    def lost(self, *, forget: bool = False) -> Counter[str]:
        """Records lost before they were measured, by reason, since last forgotten."""
        found = self.reader.lost(forget=forget) + self._lost
        torn = self.reader.torn - self._torn
        if torn:
            found["torn"] += torn
        if forget:
            self._lost.clear()
            self._torn = self.reader.torn
        return found


def _forget(labels: list[dict[str, Any]]) -> None:
    pass
