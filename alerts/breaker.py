"""Whether a receiver is worth trying: a circuit breaker over its latest attempts. Pure.

::

    closed ──5 failures in a row──► open ──time passes──► half-open ──taken──► closed
                                     ▲                        │
                                     └────────failed──────────┘   (open for longer each time)

While it is open nothing is tried; half-open, one message is the probe. A receiver that answers
"later" (``Retry-After``) is well, only busy: it is left in peace for as long as it asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from alerts.types import Delivery, DeliveryOutcome

TRIP = 5
"""Failures in a row that open the breaker."""

_WAITS = (10.0, 300.0)
_JITTER = 0.25


class Gate(StrEnum):
    """``busy``: the receiver asked us to wait. ``half_open``: one message may go, as a probe."""

    CLOSED = "closed"
    BUSY = "busy"
    OPEN = "open"
    HALF_OPEN = "half_open"

    @property
    def lets_pass(self) -> bool:
        return self in (Gate.CLOSED, Gate.HALF_OPEN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Health:
    """``failures`` in a row, the first of them at ``down_since``; nothing is tried before
    ``open_until``."""

    failures: int = 0
    open_until: datetime | None = None
    down_since: datetime | None = None

    @property
    def is_down(self) -> bool:
        return self.failures >= TRIP

    def gate(self, now: datetime) -> Gate:
        waits = self.open_until is not None and now < self.open_until
        if self.is_down:
            return Gate.OPEN if waits else Gate.HALF_OPEN
        return Gate.BUSY if waits else Gate.CLOSED

    def probing(self, *, now: datetime, for_s: float) -> Health:
        """Someone tries one message: nobody else does for so long."""
        return replace(self, open_until=now + timedelta(seconds=for_s))

    def after(self, delivery: Delivery, *, now: datetime, rng: np.random.Generator) -> Health:
        """What an attempt tells. A refusal for good is an answer: the receiver is there."""
        if delivery.outcome in (DeliveryOutcome.DELIVERED, DeliveryOutcome.FAILED):
            return Health()
        if delivery.retry_after_s is not None:
            asked = now + timedelta(seconds=delivery.retry_after_s)
            return Health(open_until=max(asked, self.open_until or asked))
        failures = self.failures + 1
        since = self.down_since or now
        if failures < TRIP:
            return Health(failures=failures, down_since=since)
        wait_s = min(_WAITS[0] * 2.0 ** min(failures - TRIP, 30), _WAITS[1])
        wait_s *= float(rng.uniform(1 - _JITTER, 1 + _JITTER))
        until = now + timedelta(seconds=wait_s)
        return Health(failures=failures, open_until=until, down_since=since)
