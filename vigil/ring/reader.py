"""The end of a ring that is read: one reader, in this process or another."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from vigil.ring import layout
from vigil.ring.mark import Mark
from vigil.ring.memory import CutError, Memory, TakenError


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that was filled: what it holds, its first byte in the memory, bytes, and records."""

    kind: int
    at: int
    size: int
    records: int


class Reader:
    """Goes through the slots in order. Whatever touches the ring raises ``CutError`` where its file
    became shorter (see ``check``). What was read is given back to the writer by ``release``;
    until then a reader that is started anew finds it again.

    Args:
        memory: the ring.
        position: where to go on, where that lies behind what was released.

    Attributes:
        mark: how far it has read.
        released: how far it has given back.
        torn: records in slots that a writer that died left open.
    """

    def __init__(self, memory: Memory, position: int = 0) -> None:
        self.memory = memory
        self._words = memory.words
        self.released = int(self._words[layout.TAIL])
        self.mark = Mark(self.released, int(self._words[layout.RECORDS_OUT]))
        self.torn = 0
        self._written = 0
        self._turn: int | None = None
        self._seen = [0] * len(layout.REASONS)
        if self.released < position <= self._words[layout.HEAD]:
            while self.mark.position < position and self._pass() is not None:
                pass
            self.release(self.mark)

    def check(self) -> None:
        """Before the ring is touched. A file that is cut shorter at the very moment in which it is
        read still kills this process: what can be touched is known only just before.

        Raises:
            CutError: it is shorter than it was.
            TakenError: another reader began since this one did.
        """
        if not self.memory.is_whole:
            raise CutError("the file of a ring was cut shorter")
        if self._turn is not None and self._words[layout.READER] != self._turn:
            raise TakenError("another reader began to read a ring")
        self._written = int(self._words[layout.RECORDS_IN])

    def after(self, mark: Mark) -> int:
        """How many records lay behind a mark when the ring was checked last."""
        return min(max(0, self._written - mark.records), self.memory.capacity)

    def begin(self) -> None:
        """Tell the writer that another reader began: what it knew of the old one is past."""
        self._words[layout.READER] += 1
        self._turn = int(self._words[layout.READER])

    def next(self, *, writer_lives: bool = True) -> Slot | None:
        """The next slot that was filled; None where there is none yet.

        An open slot is waited for while its writer lives, and passed over and counted when not.
        """
        self.check()
        while self.mark.position < self._words[layout.HEAD]:
            if self._is_lost:
                self._give_up()
                return None
            at = layout.HEADER_BYTES + self.mark.position % self.memory.capacity
            word = at >> 3
            state = self._words[word + layout.COMMIT]
            layout.fence()
            sequence = self._words[word + layout.SEQUENCE]
            is_filled = state == sequence << 2 | layout.COMMITTED
            if not is_filled and state != sequence << 2 | layout.ABANDONED and writer_lives:
                return None
            slot = self._pass()
            if slot is None:
                return None
            if is_filled and slot.kind != layout.PADDING:
                return slot
            if not is_filled and state != sequence << 2 | layout.ABANDONED:
                self.torn += slot.records
        return None

    def release(self, mark: Mark) -> None:
        """Give the writer back everything before a mark."""
        self.check()
        self._words[layout.RECORDS_OUT] = mark.records
        layout.fence()
        self._words[layout.TAIL] = mark.position
        self.released = mark.position

    @property
    def waiting_bytes(self) -> int:
        """How much of the ring is not given back yet."""
        self.check()
        return int(self._words[layout.HEAD]) - self.released

    @property
    def records_written(self) -> int:
        return int(self._words[layout.RECORDS_IN])

    @property
    def sequence(self) -> int:
        """The number of the next window, as far as this ring knows; it only grows."""
        return int(self._words[layout.WINDOWS])

    @sequence.setter
    def sequence(self, number: int) -> None:
        self.check()
        self._words[layout.WINDOWS] = max(number, self.sequence)

    @property
    def head(self) -> int:
        """The position behind all that was written so far."""
        self.check()
        return int(self._words[layout.HEAD])

    @property
    def is_empty(self) -> bool:
        return bool(self.mark.position >= self.head)

    @property
    def is_closed(self) -> bool:
        """Whether the writer said that nothing more will come."""
        self.check()
        return bool(self._words[layout.CLOSED])

    def lost(self, *, forget: bool = False) -> Counter[str]:
        """What the writer lost since it was last forgotten, by reason."""
        self.check()
        found: Counter[str] = Counter()
        for place, reason in enumerate(layout.REASONS):
            count = int(self._words[layout.LOST + place])
            if count > self._seen[place]:
                found[reason] = count - self._seen[place]
                if forget:
                    self._seen[place] = count
        return found

    @property
    def forgotten(self) -> list[int]:
        """How much of the writer's losses was taken over, for each reason."""
        return list(self._seen)

    @forgotten.setter
    def forgotten(self, counts: list[int]) -> None:
        self._seen = [*counts, *self._seen[len(counts) :]][: len(self._seen)]

    def tell(self, lost: Counter[str], labels_refused: int) -> None:
        """Let the writer know what was lost since this ring began; its own losses, as far as they
        were taken over, are among these."""
        self.check()
        totals = [0] * len(layout.REASONS)
        for reason, count in lost.items():
            totals[layout.REASON_AT.get(reason, layout.REASON_AT["error"])] += count
        for place, (count, own) in enumerate(zip(totals, self._seen, strict=True)):
            self._words[layout.READ_LOST + place] = max(0, count - own)
        self._words[layout.LABELS_REFUSED] = labels_refused

    def _pass(self) -> Slot | None:
        """Move behind the slot here. Where there can't be one, the ring is damaged: all that was
        written so far is passed over."""
        position, records = self.mark.position, self.mark.records
        place = position % self.memory.capacity
        at = layout.HEADER_BYTES + place
        word = at >> 3
        size = int(self._words[word + layout.SIZE])
        n = int(self._words[word + layout.RECORDS])
        fits = layout.SLOT_HEADER <= size <= self.memory.capacity - place
        if not fits or size % layout.ALIGN or n > self.memory.capacity:
            self._give_up()
            return None
        self.mark = Mark(position + size, records + n)
        return Slot(int(self._words[word + layout.KIND]), at, size, n)

    @property
    def _is_lost(self) -> bool:
        """Whether no slot can be here: more waits than there is room for, or between two slots."""
        position = self.mark.position
        waits = self._words[layout.HEAD] - position
        return bool(waits > self.memory.capacity or position % layout.ALIGN)

    def _give_up(self) -> None:
        self.torn += 1
        self.mark = Mark(self.head, int(self._words[layout.RECORDS_IN]))
