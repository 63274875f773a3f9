"""Which ticks are due: closed windows, once each, in order, whatever the clock did."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.checks.due import (
    MOST_AT_ONCE,
    due_ticks,
    end_of,
    number_containing,
    number_of,
)
from vigil.types import utc

LONG_AGO = utc(0)
NOW_S = 1_000_000.0


def due(now_s: float, **values: object) -> list[int]:
    defaults: dict[str, object] = {
        "window_s": 10.0,
        "lateness_s": 5.0,
        "last": None,
        "oldest_waiting": None,
        "up_since": LONG_AGO,
        "catch_up_s": 5.0,
    }
    return list(due_ticks(utc(now_s), **{**defaults, **values}))  # type: ignore[arg-type]


def test_a_tick_is_due_when_its_window_closed_lateness_ago():
    last = 100_000 - 1
    assert due(NOW_S + 4.999, last=last) == []
    assert due(NOW_S + 5.0, last=last) == [100_000]
    assert due(NOW_S + 14.9, last=last) == [100_000]
    assert due(NOW_S + 15.0, last=last) == [100_000, 100_001]


def test_the_first_tick_ever_is_the_one_that_closed_last():
    assert due(NOW_S + 5.0) == [100_000]


def test_the_first_tick_ever_goes_back_to_the_oldest_waiting_window():
    assert due(NOW_S + 5.0, oldest_waiting=utc(NOW_S - 30.0)) == [99_997, 99_998, 99_999, 100_000]


def test_a_window_that_was_cut_short_belongs_to_the_tick_that_contains_its_end():
    assert number_containing(utc(NOW_S - 3.3), 10.0) == 100_000
    assert number_containing(utc(NOW_S), 10.0) == 100_000
    assert number_containing(utc(NOW_S + 0.1), 10.0) == 100_001


def test_a_tick_that_ran_is_not_due_again():
    assert due(NOW_S + 5.0, last=100_000) == []


def test_a_clock_that_was_set_back_makes_nothing_due():
    assert due(NOW_S - 3600.0, last=100_000) == []


def test_a_short_gap_is_made_up_tick_by_tick():
    assert due(NOW_S + 5.0, last=99_990) == list(range(99_991, 100_001))


def test_after_a_restart_missed_ticks_wait_for_the_spools():
    up = utc(NOW_S)
    assert due(NOW_S + 4.9, last=99_990, up_since=up) == []
    assert due(NOW_S + 5.0, last=99_990, up_since=up) == list(range(99_991, 100_001))


def test_a_first_start_runs_one_tick_and_then_waits_too():
    up = utc(NOW_S)
    assert due(NOW_S + 1.0, up_since=up) == [99_999]
    assert due(NOW_S + 4.0, up_since=up, last=99_999) == []


def test_a_long_gap_without_windows_is_passed_over():
    assert due(NOW_S + 5.0, last=50_000) == [100_000]


def test_a_long_gap_starts_at_the_first_window_that_waits():
    waiting = utc(NOW_S - 100.0)
    assert due(NOW_S + 5.0, last=50_000, oldest_waiting=waiting) == list(range(99_990, 100_001))


def test_a_long_backlog_is_done_in_pieces_that_join():
    waiting = utc(NOW_S - 20_000.0)
    first = due(NOW_S + 5.0, last=10, oldest_waiting=waiting)
    assert (first[0], len(first)) == (98_000, MOST_AT_ONCE)
    second = due(NOW_S + 5.0, last=first[-1], oldest_waiting=end_of(first[-1] + 1, 10.0))
    assert second[0] == first[-1] + 1


def test_a_late_window_of_long_ago_does_not_bring_old_ticks_back():
    """It is counted by the next tick, which is after the last one."""
    assert due(NOW_S + 5.0, last=99_999, oldest_waiting=utc(NOW_S - 5000.0)) == [100_000]


@pytest.mark.parametrize("window_s", [0.25, 1.0, 7.0, 60.0, 3600.0])
def test_numbers_and_ends_agree(window_s: float):
    for tick in (1, 12_345, 29_000_000):
        assert number_of(end_of(tick, window_s), window_s) == tick
        assert number_containing(end_of(tick, window_s), window_s) == tick


@settings(deadline=None)
@given(
    steps=st.lists(st.floats(0.1, 9000.0), min_size=1, max_size=15),
    restarts=st.sets(st.integers(0, 14)),
)
def test_however_the_clock_moves_every_window_is_counted_by_one_tick(
    steps: list[float], restarts: set[int]
):
    """A source ships a window each window length; ticks only go forward and leave none behind."""
    window_s, now_s, up_s, last = 10.0, NOW_S, NOW_S, None
    shipped, oldest = int(NOW_S // window_s), None
    for i, step in enumerate([*steps, 100.0, *([0.0] * 60)]):
        now_s += step
        up_s = now_s if i < len(steps) and i in restarts else up_s
        closed = int(now_s // window_s)
        if oldest is None and closed > shipped:
            oldest = shipped + 1
        shipped = closed
        found = due(
            now_s,
            last=last,
            oldest_waiting=None if oldest is None else end_of(oldest, window_s),
            up_since=utc(up_s),
        )
        assert last is None or all(tick > last for tick in found)
        last = found[-1] if found else last
        if oldest is not None and last is not None and last >= oldest:
            oldest = last + 1 if last < shipped else None
    assert oldest is None or oldest * window_s > now_s - 5.0
