"""When an undelivered message is tried again, and when it is given up. Pure.

Waits grow as ``base * factor^(attempts - 1)`` up to a cap, each times a uniform jitter in [1 - j,
1 + j], so that receivers that come back are not met by everybody at once. What the receiver asks
for (``Retry-After``) is the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np

from alerts.types import Delivery, DeliveryOutcome


class OutboxState(StrEnum):
    """The states of an outbox row. ``summarised``: told in a summary instead; ``withdrawn``: no
    longer true before it went, or dropped by a person."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    SUMMARISED = "summarised"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    base_s: float = 2.0
    factor: float = 2.0
    cap_s: float = 300.0
    jitter: float = 0.25
    give_up_after_s: float = 24 * 3600.0

    def wait_s(self, attempts: int, rng: np.random.Generator) -> float:
        """Seconds to wait after ``attempts`` attempts (1 or more)."""
        exponent = min(max(attempts, 1) - 1, 60)
        wait = min(self.base_s * self.factor**exponent, self.cap_s)
        return float(wait * rng.uniform(1 - self.jitter, 1 + self.jitter))


@dataclass(frozen=True, kw_only=True, slots=True)
class NextStep:
    """``at`` is the next attempt; None where there is none."""

    state: OutboxState
    at: datetime | None
    reason: str


def next_step(
    delivery: Delivery,
    *,
    attempts: int,
    created_at: datetime,
    now: datetime,
    rng: np.random.Generator,
    backoff: Backoff | None = None,
) -> NextStep:
    """What follows an attempt.

    Args:
        delivery: what came of it.
        attempts: so far, this one included.
        created_at: of the message; it is given up ``give_up_after_s`` later.
        now: when the attempt ended.
        rng: for the jitter.
        backoff: the waits.
    """
    schedule = backoff or Backoff()
    if delivery.outcome is DeliveryOutcome.DELIVERED:
        return NextStep(state=OutboxState.DELIVERED, at=None, reason="delivered")
    if delivery.outcome is DeliveryOutcome.FAILED:
        return NextStep(
            state=OutboxState.DEAD, at=None, reason=f"refused for good: {delivery.error}"
        )
    wait_s = max(schedule.wait_s(attempts, rng), delivery.retry_after_s or 0.0)
    at = now + timedelta(seconds=wait_s)
    if at - created_at > timedelta(seconds=schedule.give_up_after_s):
        hours = schedule.give_up_after_s / 3600
        return NextStep(
            state=OutboxState.DEAD,
            at=None,
            reason=f"given up after {attempts} attempts in {hours:g} h: {delivery.error}",
        )
    return NextStep(state=OutboxState.WAITING, at=at, reason=delivery.error)
