"""Undelivered messages are tried again, ever more slowly, and given up only by a stated rule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.delivery import Backoff, OutboxState, next_step
from alerts.types import Delivery, DeliveryOutcome

NOW = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)


def after(delivery, *, attempts=1, age_s=0.0):
    return next_step(
        delivery,
        attempts=attempts,
        created_at=NOW - timedelta(seconds=age_s),
        now=NOW,
        rng=np.random.default_rng(1),
    )


def test_waits_double_up_to_a_cap_and_jitter():
    """2, 4, 8 ... 300 s, each within a quarter."""
    rng = np.random.default_rng(1)
    backoff = Backoff()
    for attempts, middle in ((1, 2), (2, 4), (5, 32), (9, 300), (10_000, 300)):
        waits = [backoff.wait_s(attempts, rng) for _ in range(200)]
        assert 0.75 * middle <= min(waits) < 0.85 * middle
        assert 1.15 * middle < max(waits) <= 1.25 * middle


@pytest.mark.parametrize("outcome", [DeliveryOutcome.RETRY, DeliveryOutcome.UNCLEAR])
def test_what_may_work_later_waits(outcome):
    """And what the receiver asks for is the least."""
    step = after(Delivery(outcome=outcome, error="away", retry_after_s=120.0))
    assert (step.state, step.at) == (OutboxState.WAITING, NOW + timedelta(seconds=120))
    soon = after(Delivery(outcome=outcome, error="away"))
    assert soon.at is not None
    assert soon.at < NOW + timedelta(seconds=3)


def test_a_refusal_ends_it_and_so_does_a_day():
    """With the reason, which pages ``vigil_self``."""
    refused = after(Delivery(outcome=DeliveryOutcome.FAILED, error="slack: invalid_auth"))
    assert (refused.state, refused.at) == (OutboxState.DEAD, None)
    assert refused.reason == "refused for good: slack: invalid_auth"
    late = after(Delivery(outcome=DeliveryOutcome.RETRY, error="x"), attempts=99, age_s=86399)
    assert late.state is OutboxState.DEAD
    assert late.reason == "given up after 99 attempts in 24 h: x"
    done = after(Delivery(outcome=DeliveryOutcome.DELIVERED))
    assert (done.state, done.at) == (OutboxState.DELIVERED, None)
