"""A tap with a sidecar: this process only fills a ring that ``vigil sidecar`` reads."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from vigil.privacy.pictures import Pictures
from vigil.recording.gone import GoneRing
from vigil.recording.inside import Inside
from vigil.recording.intake import Intake
from vigil.ring import layout
from vigil.ring.identity import Identity

DEFAULT_BYTES = 32 * 2**20
RETRY_S = 5.0
LOOK_S = 2.0
MOST_GONE = 2
NO_RING, RING_GONE = "no_ring", "ring_gone"


class Beside:
    """One boot of a tap that leaves the work to a sidecar.

    The ring is made at the start, and in a child of a fork with its first record. While it can't be
    made (no room, no permission) records are counted as ``no_ring``, and it is tried again every
    five seconds. Every two seconds of records it is looked whether the file is still there; where
    it is not, there is a new ring of the same boot, and what nobody read of the old one is
    ``ring_gone``.

    Args:
        identity: whose records these are.
        max_records, max_bytes: bounds of what waits to be read.
        folder: where the sidecar looks for rings.
        inside: the threads that are in the tap; a thread of ours is whenever it writes.
        pictures: what is kept of whole images.

    Raises:
        ValueError: names and signals that are too long for a ring.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        max_records: int,
        max_bytes: int,
        folder: Path,
        inside: Inside,
        pictures: Pictures | None = None,
    ) -> None:
        size = len(identity.to_bytes())
        if size > layout.MOST_IDENTITY_BYTES:
            raise ValueError(
                f"names and signals of a tap beside a sidecar come to {size} bytes, and its ring "
                f"has room for {layout.MOST_IDENTITY_BYTES}: declare fewer signals, or shorten "
                "their descriptions"
            )
        self._identity, self._folder, self._pictures = identity, folder, pictures
        self._inside = inside
        self._bounds = {"max_records": max_records, "max_bytes": max_bytes}
        self._lock = threading.RLock()
        self._intake: Intake | None = None
        self._next_s = float("-inf")
        self._looked_s = self._look_s = float("-inf")
        self._former: Intake | None = None
        self._gone: list[GoneRing] = []
        self._gone_recorded = self._waited = 0
        self._problem = ""
        self._lost: Counter[str] = Counter()
        self._labels_refused = 0
        self._settling: threading.Thread | None = None
        self._arrived = threading.Event()
        self._closed = False

    def start(self) -> None:
        """Make the ring now, so that the sidecar knows of this process before its first record."""
        self._opened()

    def put(
        self,
        arguments: dict[str, Any],
        metadata: Any,
        n: int,
        first: int,
        ids: list[str] | None,
        time_s: float,
        version: str,
    ) -> None:
        """As ``Intake.put``."""
        if not self._looked_s <= time_s < self._look_s:
            self._look(time_s)
        intake = self._intake or self._opened()
        if intake is None:
            self.lose(NO_RING, n)
            return
        intake.put(arguments, metadata, n, first, ids, time_s, version)
        if intake.deferred:
            self._settle()

    def lose(self, reason: str, n: int) -> None:
        intake = self._intake
        if intake is None or reason == NO_RING:
            with self._lock:
                self._lost[reason] += n
        else:
            intake.writer.lose(reason, n)

    def label(self, rows: list[dict[str, Any]], now_s: float) -> int:
        """Labels; how many there was no room for."""
        intake = self._intake or self._opened()
        if intake is not None and intake.put_labels(json.dumps(rows).encode()):
            return 0
        return len(rows)

    def refuse_labels(self, n: int) -> None:
        with self._lock:
            self._labels_refused += n

    def dropped(self) -> Counter[str]:
        """What was lost on this side, and what the sidecar said that it lost."""
        intake = self._intake
        with self._lock:
            lost = sum((one.lost() for one in self._gone), Counter(self._lost))
        return lost if intake is None else lost + intake.writer.lost()

    def stats(self) -> dict[str, Any]:
        intake = self._intake
        refused = 0 if intake is None else int(intake.memory.words[layout.LABELS_REFUSED])
        return {
            "sidecar": str(self._folder),
            "recorded": self._gone_recorded + (0 if intake is None else intake.writer.recorded),
            "queued": 0 if intake is None else intake.writer.waiting + intake.deferred,
            "labels_refused": self._labels_refused + refused,
            "problem": NO_RING if self._problem else "",
            "last_error": self._problem,
        }

    def flush(self, timeout_s: float) -> bool:
        """Wait until the sidecar has taken everything over; whether it has."""
        until = time.monotonic() + timeout_s
        intake = self._intake
        while intake is not None and (intake.deferred or not intake.writer.drained):
            if time.monotonic() >= until:
                return False
            time.sleep(0.005)
        return True

    def close(self, timeout_s: float) -> None:
        """Leave the ring to the sidecar, which reads what is in it and says goodbye for us."""
        with self._lock:
            self._closed = True
            intake, self._intake = self._intake, None
        if intake is not None:
            with contextlib.suppress(Exception), self._inside.here():
                intake.settle(wait=True)
            self._lost += intake.writer.lost()
            intake.close()
        with self._lock:
            self._part(everything=True)
        self._arrived.set()

    def leave_to_parent(self) -> None:
        """After a fork, in the child."""
        if self._intake is not None:
            self._intake.leave_to_parent()
        for gone in self._gone:
            gone.let_go()

    def _look(self, time_s: float) -> None:
        """Whether the ring's file is still there: a cleaner of temporary files, or a person, may
        have taken it away, and no reader would find what is written from now on."""
        with self._lock:
            self._looked_s, self._look_s = time_s, time_s + LOOK_S
            self._part()
            intake = self._intake
            if intake is None or self._closed:
                return
            if intake.memory.is_there:
                self._waited = intake.writer.waiting
                return
            self._problem = f"{self._folder}: the ring's file was taken away"
            gone = GoneRing(intake, waited=self._waited, now_s=time.monotonic())
            self._gone.append(gone)
            self._gone_recorded += gone.recorded
            self._former, self._intake = intake, None

    def _part(self, *, everything: bool = False) -> None:
        """Give up rings that are gone, once a sidecar had the time to read them."""
        now_s = time.monotonic()
        while self._gone and (
            everything or len(self._gone) > MOST_GONE or self._gone[0].is_done(now_s)
        ):
            one = self._gone.pop(0)
            self._lost += one.lost()
            self._lose_here(RING_GONE, one.waiting)
            one.let_go()

    def _lose_here(self, reason: str, n: int) -> None:
        """Count in the ring, so that the service knows too; here where there is none."""
        if self._intake is None:
            self._lost[reason] += n
        elif n:
            self._intake.writer.lose(reason, n)

    def _opened(self) -> Intake | None:
        """The ring, made now where there is none yet."""
        with self._lock:
            if self._intake is not None or self._closed or time.monotonic() < self._next_s:
                return self._intake
            try:
                self._intake = Intake(
                    self._identity,
                    folder=self._folder,
                    pictures=self._pictures,
                    former=self._former,
                    **self._bounds,
                )
                self._former, self._problem = None, ""
                for reason in (NO_RING, RING_GONE):
                    self._lose_here(reason, self._lost.pop(reason, 0))
            except (OSError, ValueError) as error:
                self._problem = f"{self._folder}: {error.__class__.__name__}: {error}"
                self._next_s = time.monotonic() + RETRY_S
            return self._intake

    def _settle(self) -> None:
        """Let a thread bring in what is still on its way from an accelerator."""
        self._arrived.set()
        if self._settling is None:
            with self._lock:
                if self._settling is None:
                    self._settling = threading.Thread(
                        target=self._bring, name="vigil-settle", daemon=True
                    )
                    self._settling.start()

    def _bring(self) -> None:
        while not self._closed:
            self._arrived.wait()
            self._arrived.clear()
            intake = self._intake
            if intake is not None:
                with self._inside.here():
                    intake.settle(wait=True)
