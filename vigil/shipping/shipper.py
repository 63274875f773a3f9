"""Sends what waits in the spool, oldest first, until the service has it."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from vigil.errors import TransportError, WireError
from vigil.shipping.spool import Entry, Spool
from vigil.shipping.transport import Transport
from vigil.windows import wire

MAX_ENTRIES = 64
MAX_BYTES = 8 * 2**20
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0


def backoff(failures: int, rng: random.Random, *, longest_s: float = LONGEST_WAIT_S) -> float:
    """Seconds to wait after so many failures in a row: half fixed, half random, doubling."""
    ceiling = min(longest_s, FIRST_WAIT_S * 2.0 ** min(failures - 1, 20))
    return ceiling * (0.5 + 0.5 * rng.random())


class Shipper:
    """Empties a spool through a transport.

    An entry leaves the spool only when the service says that it has it (``accepted``,
    ``duplicate``) or never will (``rejected``, or a permanent refusal of that entry alone: set
    aside and counted). So each is delivered at least once, and the service, by its key, counts it
    once.

    ``counts``: windows by the status of their receipt, ``labels`` sent, ``labels_rejected`` and
    ``failures``. ``last_error``: what went wrong last, and ``problem``, its name; "" when it went
    well.
    """

    def __init__(
        self,
        spool: Spool,
        transport: Transport,
        *,
        rng: random.Random,
        longest_wait_s: float = LONGEST_WAIT_S,
    ) -> None:
        self._spool, self._transport, self._rng = spool, transport, rng
        self._longest_wait_s = longest_wait_s
        self._failed = 0
        self._alone = 0
        self.next_s = 0.0
        self.last_error = self.problem = ""
        self.counts: Counter[str] = Counter()

    def step(self, now_s: float) -> bool:
        """Send one request if there is something to send and the wait is over.

        Args:
            now_s: a monotonic clock, seconds; ``next_s`` is when to come back after a failure.

        Returns:
            Whether there may be more to do at once.
        """
        if now_s < self.next_s:
            return False
        entries, blobs = self._next()
        if not entries:
            return False
        try:
            if entries[0].kind == "labels":
                self._labels(entries[0], blobs[0])
            else:
                self._windows(entries, blobs)
        except TransportError as error:
            return self._refused(entries, error, now_s)
        self._failed, self.next_s, self.last_error, self.problem = 0, 0.0, "", ""
        self._alone = max(0, self._alone - 1)
        return True

    def _next(self) -> tuple[list[Entry], list[bytes]]:
        entries: list[Entry] = []
        blobs: list[bytes] = []
        size = 0
        # A line too slow for a large request would never carry it: after each failure half as much.
        limit = MAX_BYTES >> min(self._failed, 20)
        for entry in self._spool.entries():
            if entries and (entry.kind != "window" or entries[0].kind != "window"):
                break
            blob = self._spool.read(entry)
            if blob is None:
                continue
            if entries and (self._alone or size + len(blob) > limit):
                break
            entries.append(entry)
            blobs.append(blob)
            size += len(blob)
            if len(entries) == MAX_ENTRIES:
                break
        return entries, blobs

    def _windows(self, entries: list[Entry], blobs: list[bytes]) -> None:
        replies = self._transport.send(blobs)
        receipts = {(r.boot, r.sequence): r for r in replies}
        missing = 0
        for place, entry in enumerate(entries):
            receipt = receipts.get((entry.boot, entry.sequence))
            if receipt is None and len(replies) == len(entries) and not replies[place].boot:
                # The service could not even read its name: receipts come in the order sent.
                receipt = replies[place]
            if receipt is None or receipt.status not in ("accepted", "duplicate", "rejected"):
                missing += 1
                continue
            self.counts[receipt.status] += 1
            if receipt.status == "rejected":
                self._spool.set_aside(entry, "rejected")
            else:
                self._spool.remove(entry)
        if missing:
            raise TransportError(f"{missing} of {len(entries)} windows came without a receipt")

    def _labels(self, entry: Entry, blob: bytes) -> None:
        try:
            header, _ = wire.unpack(blob)
            labels: list[dict[str, Any]] = list(header["labels"])
        except (WireError, KeyError, TypeError):
            self._spool.set_aside(entry, "damaged")
            return
        reply = self._transport.send_labels(labels)
        receipts = reply.get("receipts")
        rows = receipts if isinstance(receipts, list) else []
        rejected = [
            row for row in rows if isinstance(row, dict) and row.get("status") == "rejected"
        ]
        self.counts["labels_rejected"] += len(rejected)
        self.counts["labels"] += len(labels) - len(rejected)
        self._spool.remove(entry)

    def _refused(self, entries: list[Entry], error: TransportError, now_s: float) -> bool:
        self.last_error, self.problem = str(error), error.reason
        if error.permanent and len(entries) > 1:
            # One of them may be at fault: send each alone, so that the others are not lost with it.
            self._alone = len(entries)
            return True
        if error.permanent:
            self._spool.set_aside(entries[0], "rejected")
            self.counts["rejected"] += 1
            self._alone = max(0, self._alone - 1)
            return True
        self.counts["failures"] += 1
        self._failed += 1
        wait = backoff(self._failed, self._rng, longest_s=self._longest_wait_s)
        self.next_s = now_s + max(wait, error.retry_after_s or 0.0)
        return False
