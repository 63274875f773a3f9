"""The work of the sidecar: rings that come and go, one spool, one line to the service."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitor.sidecar.line import Line, label_of
from monitor.sidecar.unreadable import Unreadable, Why
from vigil.pipeline.journal import SUFFIX as JOURNAL
from vigil.pipeline.journal import Journal
from vigil.ring.memory import SUFFIX as RING
from vigil.ring.memory import CutError, TakenError
from vigil.shipping.safe_spool import SafeSpool
from vigil.shipping.shipper import Shipper
from vigil.shipping.transport import Transport

log = logging.getLogger("vigil.sidecar")

LOOK_S = 1.0
UNFINISHED_S = 60.0
MOST_RINGS = 256
RING_FAILED = "ring_failed"


class Sidecar:
    """Reads every ring in a folder. ``step`` measures, ``ship`` sends; each has a thread.

    Args:
        folder: where the rings are.
        spool: where windows wait for the service, on a disk that outlives this machine's memory.
        transport: the way to the service.
        seed: of the jitter between attempts.
        now_s: seconds since 1970. monotonic: seconds.

    Attributes:
        lines: rings that are read, by file name.
        unreadable: the files that are not.
        waiting_rings: how many are not read because there are too many.
        cut_rings: how many were given up because their file became shorter.
        records, dropped, windows: of rings that are gone, by model, deployment and source
            (``dropped``: and reason).
    """

    def __init__(
        self,
        folder: Path,
        *,
        spool: SafeSpool,
        transport: Transport,
        rulers: Path,
        seed: str,
        now_s: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self.spool = folder, spool
        self._transport, self._rulers = transport, rulers
        self._now_s, self._monotonic = now_s, monotonic
        self.shipper = Shipper(spool, transport, rng=random.Random(seed))
        self._lock = threading.Lock()
        self.lines: dict[str, Line] = {}
        self.unreadable = Unreadable(monotonic)
        self.waiting_rings = self.cut_rings = 0
        self.records: Counter[tuple[str, str, str]] = Counter()
        self.windows: Counter[tuple[str, str, str]] = Counter()
        self.dropped: Counter[tuple[str, str, str, str]] = Counter()
        self.failures = 0
        self._problems: dict[str, str] = {}
        self.stepped_s = monotonic()
        self._look_s = float("-inf")

    def step(self) -> int:
        """Look for rings now and then, and read those there are; how many records that were."""
        if self._monotonic() >= self._look_s:
            self._look()
            self.spool.save()
            self._look_s = self._monotonic() + LOOK_S
        read = 0
        for name, line in list(self.lines.items()):
            try:
                read += line.step(self._now_s())
                self._well(f"{RING_FAILED} {name}")
            except Exception as error:
                # One ring must not stop the others.
                self._failed(f"{RING_FAILED} {name}", error)
            if line.cut:
                self._cut(name, line)
            elif line.taken:
                self._taken(name, line)
            elif line.finished:
                self._retire(name, line)
        self.stepped_s = self._monotonic()
        return read

    def ship(self) -> bool:
        """Send one request; whether there may be more to do at once."""
        for line in list(self.lines.values()):
            line.pipeline.rulers.refresh(self._monotonic())
        more = self.shipper.step(self._monotonic())
        self._well("shipping_failed")
        if not self.shipper.last_error:
            self._well("service")
        elif "service" not in self._problems:
            self._say("service", self.shipper.last_error)
        return more

    def failed_to_ship(self, error: Exception) -> None:
        """For whoever calls ``ship``, which raised."""
        self._failed("shipping_failed", error)

    @property
    def problems(self) -> list[str]:
        """What is wrong now, by name; what it was exactly is in the log."""
        return sorted({what.partition(" ")[0] for what in self._problems.copy()})

    def drain(self, seconds: float, pause: Callable[[float], None] = time.sleep) -> bool:
        """Read on while processes end, half of the time at most; then seal what is open, and ship.

        Returns:
            Whether the service has everything.
        """
        started = self._monotonic()
        while True:
            self._look_s = float("-inf")
            read = self.step()
            if not self.lines or self._monotonic() - started >= seconds / 2:
                break
            if not read:
                pause(0.05)
        for name, line in self.lines.items():
            try:
                line.seal(self._now_s())
            except Exception as error:
                self._failed(f"{RING_FAILED} {name}", error)
        self.spool.save()
        while self.spool.entries() and self._monotonic() - started < seconds:
            self.shipper.next_s = min(self.shipper.next_s, self._monotonic() + 0.5)
            if not self.ship():
                pause(0.05)
        for line in self.lines.values():
            line.let_go()
        return not self.spool.entries()

    def _look(self) -> None:
        """New rings, journals whose ring is gone, and what was never finished."""
        try:
            names = {path.name for path in self.folder.iterdir()}
        except OSError as error:
            self._say("folder_unreadable", f"{type(error).__name__}: {error}")
            return
        self._well("folder_unreadable")
        self.unreadable.keep(names)
        waiting = 0
        for name in sorted(names):
            path = self.folder / name
            if path.suffix == RING and name not in self.lines:
                if len(self.lines) >= MOST_RINGS:
                    waiting += 1
                elif self.unreadable.is_due(name):
                    self._begin(path)
            elif path.suffix == JOURNAL and path.with_suffix(RING).name not in (
                *names,
                *self.lines,
            ):
                self._adopt(Journal(path))
            elif path.suffix in (".new", ".writing"):
                _remove_old(path, self._now_s())
        self.waiting_rings = waiting
        if waiting:
            self._say("too_many_rings", f"{waiting} more than {MOST_RINGS}")
        else:
            self._well("too_many_rings")

    def _begin(self, path: Path) -> None:
        try:
            line = Line(
                path,
                spool=self.spool,
                shipper=self.shipper,
                transport=self._transport,
                rulers=self._rulers,
            )
        except Exception as error:  # whatever lies in this folder
            self.unreadable.failed(path, error)
            return
        self.unreadable.read(path.name)
        with self._lock:
            self.lines[path.name] = line
        log.info("reads %s of %s", line.identity.model, line.identity.source)

    def _failed(self, what: str, error: Exception) -> None:
        self.failures += 1
        self._say(what, f"{type(error).__name__}: {error}", trace=error)

    def _say(self, what: str, text: str, trace: Exception | None = None) -> None:
        """Said once, though it may come back at every step."""
        if self._problems.get(what) != text:
            log.warning("%s: %s", what, text, exc_info=trace)
        self._problems[what] = text

    def _well(self, what: str) -> None:
        self._problems.pop(what, None)

    def _cut(self, name: str, line: Line) -> None:
        self._part(name, line)
        line.let_go()
        self.cut_rings += 1
        self.unreadable.failed(self.folder / name, CutError("its file became shorter"))

    def _taken(self, name: str, line: Line) -> None:
        self._part(name, line)
        line.let_go()
        taken = TakenError("another sidecar reads it")
        self.unreadable.failed(self.folder / name, taken, Why.TAKEN)

    def _part(self, name: str, line: Line) -> None:
        self._well(f"{RING_FAILED} {name}")
        with self._lock:
            del self.lines[name]
            self._add(line, self.records, self.windows, self.dropped)

    def _retire(self, name: str, line: Line) -> None:
        self._part(name, line)
        try:
            line.remove()
        except OSError as error:
            self.failures += 1
            self.unreadable.failed(self.folder / name, error, Why.NOT_REMOVED)
        log.info("done with %s of %s", line.identity.model, line.identity.source)

    def totals(
        self,
    ) -> tuple[
        Counter[tuple[str, str, str]],
        Counter[tuple[str, str, str]],
        Counter[tuple[str, str, str, str]],
    ]:
        """Records, windows and dropped records since this process began."""
        with self._lock:
            totals = Counter(self.records), Counter(self.windows), Counter(self.dropped)
            for line in self.lines.values():
                self._add(line, *totals)
        return totals

    @staticmethod
    def _add(
        line: Line,
        records: Counter[tuple[str, str, str]],
        windows: Counter[tuple[str, str, str]],
        dropped: Counter[tuple[str, str, str, str]],
    ) -> None:
        label = label_of(line.identity)
        records[label] += line.pipeline.records
        windows[label] += line.pipeline.windows
        for reason, n in line.dropped.items():
            dropped[(*label, reason)] += n

    def said(self) -> list[dict[str, Any]]:
        """Each ring and how it is, for a health check."""
        with self._lock:
            return [line.said() for line in self.lines.values()]

    def _adopt(self, journal: Journal) -> None:
        """What a sidecar that was killed left of a ring that is gone already."""
        state = journal.load()
        for entry, blob in [] if state is None else [*state.sealed, *state.open]:
            self.spool.put(entry, blob)
        if not self.spool.unsaved():
            journal.remove()


def _remove_old(path: Path, now_s: float) -> None:
    """A file whose maker was killed; a living one needs but a moment."""
    try:
        if now_s - path.stat().st_mtime > UNFINISHED_S:
            path.unlink()
    except OSError:
        return
