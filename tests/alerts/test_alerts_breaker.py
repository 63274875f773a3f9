"""The circuit breaker and the pace of a receiver, as pure values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.breaker import TRIP, Gate, Health
from alerts.pace import Pace, Turn
from alerts.types import Delivery, DeliveryOutcome

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SILENT = Delivery(outcome=DeliveryOutcome.UNCLEAR, error="no answer")
TAKEN = Delivery(outcome=DeliveryOutcome.DELIVERED)


def failing(times: int, health: Health | None = None, *, at: datetime = NOON) -> Health:
    rng, found = np.random.default_rng(0), health or Health()
    for _ in range(times):
        found = found.after(SILENT, now=at, rng=rng)
    return found


def test_it_opens_after_failures_in_a_row_and_remembers_the_first():
    before = failing(TRIP - 1)
    assert (before.is_down, before.gate(NOON)) == (False, Gate.CLOSED)
    later = NOON + timedelta(seconds=30)
    opened = failing(1, before, at=later)
    assert (opened.is_down, opened.gate(later), opened.down_since) == (True, Gate.OPEN, NOON)


def test_a_success_between_failures_starts_the_count_anew():
    rng = np.random.default_rng(0)
    assert failing(TRIP - 1).after(TAKEN, now=NOON, rng=rng) == Health()


def test_half_open_lets_one_probe_pass_and_each_failure_waits_longer():
    down, waits = failing(TRIP), []
    for _ in range(8):
        assert down.open_until is not None
        waits.append((down.open_until - NOON).total_seconds())
        assert down.gate(down.open_until) is Gate.HALF_OPEN
        probing = down.probing(now=NOON, for_s=60.0)
        assert probing.gate(NOON + timedelta(seconds=59)) is Gate.OPEN
        down = failing(1, down)
    assert 7.5 <= waits[0] <= 12.5
    assert waits[0] < waits[1] < waits[2] < waits[3]
    assert max(waits) <= 300 * 1.25


@pytest.mark.parametrize("outcome", [DeliveryOutcome.DELIVERED, DeliveryOutcome.FAILED])
def test_any_answer_to_the_probe_closes_it(outcome):
    answered = Delivery(outcome=outcome, error="400")
    assert failing(TRIP + 3).after(answered, now=NOON, rng=np.random.default_rng(0)) == Health()


def test_a_receiver_that_says_later_is_busy_not_down():
    later = Delivery(outcome=DeliveryOutcome.RETRY, error="429", retry_after_s=30.0)
    health = failing(TRIP - 1).after(later, now=NOON, rng=np.random.default_rng(0))
    assert (health.is_down, health.gate(NOON)) == (False, Gate.BUSY)
    assert health.gate(NOON + timedelta(seconds=30)) is Gate.CLOSED


def test_the_last_place_of_a_minute_is_known_and_a_new_minute_begins_anew():
    pace, turns = Pace(), []
    for _ in range(4):
        turns.append(pace.turn(3, NOON))
        if turns[-1] is not Turn.WAIT:
            pace = pace.counted(NOON)
    assert turns == [Turn.GO, Turn.GO, Turn.LAST, Turn.WAIT]
    assert pace.turn(3, NOON + timedelta(seconds=59)) is Turn.WAIT
    assert pace.turn(3, NOON + timedelta(seconds=60)) is Turn.GO


def test_without_a_limit_all_may_go_and_a_clock_that_went_back_blocks_nobody():
    assert Pace(since=NOON, sent=10**6).turn(None, NOON) is Turn.GO
    assert Pace(since=NOON, sent=9).turn(3, NOON - timedelta(hours=1)) is Turn.GO
