"""A ring whose file was taken away or cut: a sidecar that has it open may still read it."""

from __future__ import annotations

from collections import Counter

from vigil.recording.intake import Intake

PATIENCE_S = 30.0


class GoneRing:
    """Keeps the ring, and with it the sign that its process lives, until the sidecar has read it.

    Args:
        intake: the caller's end of it.
        waited: records that waited in it when it was whole.
        now_s: a monotonic clock, seconds.

    Attributes:
        recorded: records that were written to it.
    """

    def __init__(self, intake: Intake, *, waited: int, now_s: float) -> None:
        self._intake, self._waited = intake, waited
        self._until_s = now_s + PATIENCE_S
        # What is no longer whole must not be touched: that would kill this process.
        self._is_whole = intake.memory.is_whole
        self.recorded = intake.writer.recorded

    @property
    def waiting(self) -> int:
        """Records that nobody has read."""
        return self._intake.writer.waiting if self._is_whole else self._waited

    def lost(self) -> Counter[str]:
        """What the ring itself refused, by reason."""
        return self._intake.writer.lost() if self._is_whole else Counter()

    def is_done(self, now_s: float) -> bool:
        """Whether to wait no longer."""
        return now_s >= self._until_s or not self._is_whole or self._intake.writer.drained

    def let_go(self) -> None:
        self._intake.memory.let_go()
