"""One ring and what is made of it, until its process has ended and all of it is safe."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from vigil.pipeline.assemble import pipeline_of
from vigil.pipeline.journal import SUFFIX, Journal
from vigil.ring.identity import Identity
from vigil.ring.memory import CutError, Memory, TakenError
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.shipper import Shipper
from vigil.shipping.transport import Transport


class Line:
    """One boot of a tap in another process.

    Args:
        path: its ring.
        spool, shipper, transport: shared by all lines.
        rulers: the folder that keeps rulers.

    Attributes:
        finished: its process has ended, and everything that was in the ring is in the spool.
        cut: its file became shorter. What was measured is in the spool; nothing touches it now.
        taken: another sidecar reads it, from what is in the journal and the ring on.
        used: the share of the ring that was not given back after the last step.
        dropped: records that did not reach a window by then, by reason.

    Raises:
        WireError: not a ring that this vigil reads.
        ValueError: signals that are not declared here.
        OSError: it is gone, or belongs to another user.
    """

    def __init__(
        self,
        path: Path,
        *,
        spool: SafeSpool,
        shipper: Shipper,
        transport: Transport,
        rulers: Path,
    ) -> None:
        self._memory, self.identity = Memory.open(path)
        self._path = path
        self._journal = Journal(path.with_suffix(SUFFIX))
        self.pipeline = pipeline_of(
            self.identity,
            self._memory,
            spool=spool,
            transport=transport,
            rulers=rulers,
            shipper=shipper,
            journal=self._journal,
        )
        self.finished = self._ended = self.cut = self.taken = False
        self.used = 0.0
        self.dropped: Counter[str] = Counter()
        self._told()

    def step(self, now_s: float) -> int:
        """Measure what is in the ring; how many records that were.

        Args:
            now_s: seconds since 1970.
        """
        before = self.pipeline.records
        if not self._ended:
            try:
                self._read(now_s)
            except CutError:
                self._abandon(now_s)
            except TakenError:
                self.taken = self._ended = True
        elif self.pipeline.unsaved == 0:
            self.finished = True
        return self.pipeline.records - before

    def seal(self, now_s: float) -> None:
        """End the open windows now, for this process is about to stop."""
        if not self._ended:
            self.pipeline.leaving = False
            try:
                lives = self._memory.writer_lives
                self.pipeline.collect(now_s, everything=True, writer_lives=lives)
                self._told()
            except CutError:
                self._abandon(now_s)
            except TakenError:
                self.taken = self._ended = True

    def remove(self) -> None:
        """Take the ring away, then the journal: a journal without a ring is harmless."""
        self._path.unlink(missing_ok=True)
        self._journal.remove()
        self._memory.let_go()

    def let_go(self) -> None:
        """Leave the ring as it is, for the next sidecar."""
        self._memory.let_go()

    def said(self) -> dict[str, Any]:
        """Whose ring it is and how it goes; ``used`` is the share that is not given back yet."""
        return {
            "model": self.identity.model,
            "version": self.identity.version,
            "deployment": self.identity.deployment,
            "source": self.identity.source,
            "boot": self.identity.boot,
            "used": self.used,
            "records": self.pipeline.records,
            "dropped": dict(self.dropped),
            "problem": "not_measured" if self.pipeline.problem else "",
        }

    def _read(self, now_s: float) -> None:
        lives = self._memory.writer_lives
        reader = self.pipeline.drain.reader
        # A process that crashed is missed; one that said goodbye is not.
        self.pipeline.leaving = reader.is_closed
        self.pipeline.collect(now_s, everything=not lives, writer_lives=lives)
        self._ended = not lives and reader.is_empty
        self._told()

    def _told(self) -> None:
        """Keep what others ask for: their threads must not touch the ring."""
        self.used = round(self.pipeline.drain.reader.waiting_bytes / self._memory.capacity, 4)
        self.dropped = self.pipeline.dropped()

    def _abandon(self, now_s: float) -> None:
        self.cut = self._ended = True
        self.pipeline.abandon(now_s)
        self.used, self.dropped = 0.0, Counter(self.pipeline.recorder.dropped_total)


def label_of(identity: Identity) -> tuple[str, str, str]:
    """Model, deployment and source, as metrics name a line."""
    return identity.model, identity.deployment, identity.source
