"""Windows that come back: over the changes of the clocks, within bounds, as RFC 5545 says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.silences.errors import RecurrenceError
from alerts.silences.recurrence import Recurrence, window_after, window_at

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]
RULES = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=WEEKLY;BYDAY=SA",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU;WKST=SU",
    "FREQ=MONTHLY;BYDAY=1SA",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;BYMONTHDAY=-1,15",
    "FREQ=MONTHLY;INTERVAL=6;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY",
]


def weekly(zone: str = "Europe/Berlin", hours: float = 4.0) -> Recurrence:
    return Recurrence(rule="FREQ=WEEKLY;BYDAY=SA", time_zone=zone, duration=timedelta(hours=hours))


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=ZoneInfo("Europe/Berlin"))  # type: ignore[arg-type,misc]


def test_a_window_keeps_its_time_of_day_when_the_clocks_change() -> None:
    """Saturdays at ten in the evening in Berlin: 20:00 UTC in summer, 21:00 in winter."""
    found = weekly().windows(berlin(2026, 10, 17, 22), berlin(2026, 11, 8, 22))
    assert [each.starts_at.astimezone(UTC).hour for each in found] == [20, 20, 21, 21]
    assert all(each.ends_at - each.starts_at == 4 * HOUR for each in found)


def test_a_time_that_the_clocks_skip_comes_an_hour_later_by_them() -> None:
    """02:30 does not exist on 29 March 2026 in Berlin: it is read with the winter's offset."""
    daily = Recurrence(rule="FREQ=DAILY", time_zone="Europe/Berlin", duration=HOUR)
    found = daily.windows(berlin(2026, 3, 28, 2, 30), berlin(2026, 3, 31, 0))
    assert [str(each.starts_at)[5:16] for each in found] == [
        "03-28 01:30",
        "03-29 01:30",
        "03-30 00:30",
    ]


def test_a_time_that_comes_twice_is_the_first() -> None:
    """02:30 comes twice on 25 October 2026 in Berlin; there is one window."""
    daily = Recurrence(rule="FREQ=DAILY", time_zone="Europe/Berlin", duration=HOUR)
    found = daily.windows(berlin(2026, 10, 24, 2, 30), berlin(2026, 10, 27, 0))
    assert [str(each.starts_at)[5:16] for each in found] == [
        "10-24 00:30",
        "10-25 00:30",
        "10-26 01:30",
    ]


@settings(max_examples=80, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ZONES),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
        lambda at: at.replace(microsecond=0)
    ),
    hours=st.integers(1, 20),
)
def test_windows_are_those_of_the_calendar(
    rule: str, zone: str, start: datetime, hours: int
) -> None:
    """Each begins where dateutil's rule has a local time, lasts its time, and does not touch the
    next."""
    there = ZoneInfo(zone)
    starts_at = start.replace(tzinfo=there).astimezone(UTC)
    ends_at = starts_at + 200 * DAY
    again = Recurrence(rule=rule, time_zone=zone, duration=timedelta(hours=hours))
    found = again.windows(starts_at, ends_at)
    local = starts_at.astimezone(there).replace(tzinfo=None)
    last = ends_at.astimezone(there).replace(tzinfo=None)
    wanted = [
        at.replace(tzinfo=there).astimezone(UTC)
        for at in rrulestr(rule, dtstart=local).between(local, last + DAY, inc=True)
    ]
    assert [each.starts_at for each in found] == [at for at in wanted if at < ends_at]
    for each, following in pairwise(found):
        assert each.ends_at - each.starts_at == timedelta(hours=hours)
        assert each.ends_at < following.starts_at


@settings(max_examples=60, deadline=None)
@given(
    rule=st.sampled_from(RULES),
    zone=st.sampled_from(ZONES),
    hours=st.integers(1, 60),
    later=st.floats(0, 100),
)
def test_a_moment_lies_in_a_window_or_before_the_next(
    rule: str, zone: str, hours: int, later: float
) -> None:
    """At any moment; windows that overlap are one."""
    starts_at = datetime(2026, 9, 30, 23, 15, tzinfo=UTC)
    again = Recurrence(rule=rule, time_zone=zone, duration=timedelta(hours=hours))
    found = again.windows(starts_at, starts_at + 90 * DAY)
    at = starts_at + timedelta(days=later)
    within = [each for each in found if each.starts_at <= at < each.ends_at]
    assert window_at(found, at) == (within[0] if within else None)
    after = [each for each in found if each.starts_at > at]
    assert window_after(found, at) == (after[0] if after else None)


def test_windows_that_overlap_are_one_and_end_with_the_whole() -> None:
    """Thirty hours each day are one window until the end."""
    daily = Recurrence(rule="FREQ=DAILY", time_zone="UTC", duration=30 * HOUR)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    (only,) = daily.windows(start, start + 10 * DAY)
    assert (only.starts_at, only.ends_at) == (start, start + 10 * DAY)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("start", ["2024-02-29", "2026-01-31", "2026-08-31", "2026-12-30"])
def test_every_rule_comes_again_within_months(rule: str, start: str) -> None:
    """The work is bounded: no rule that is accepted looks for a day that never comes."""
    begins = datetime.fromisoformat(f"{start}T12:00:00+00:00")
    again = Recurrence(rule=rule, time_zone="UTC", duration=HOUR)
    assert again.windows(begins, begins + 366 * DAY)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("", "expected FREQ"),
        ("BYDAY=SA", "expected FREQ"),
        ("FREQ=HOURLY", "expected FREQ=DAILY"),
        ("FREQ=YEARLY", "expected FREQ=DAILY"),
        ("FREQ=DAILY;FREQ=DAILY", "given twice"),
        ("FREQ=DAILY;COUNT=3", "when it is over"),
        ("FREQ=DAILY;UNTIL=20270101T000000Z", "when it is over"),
        ("FREQ=DAILY;BYHOUR=3", "time of day"),
        ("FREQ=DAILY;INTERVAL=0", "expected a number"),
        ("FREQ=WEEKLY;INTERVAL=53", "at most 26"),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=MO", "not both"),
        ("FREQ=WEEKLY;BYDAY=1SA", "needs FREQ=MONTHLY"),
        ("FREQ=WEEKLY;BYDAY=XX", "expected days"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "1 to 28"),
        ("FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "without BYDAY"),
        ("FREQ=MONTHLY;BYDAY=5MO", "expected days"),
        ("FREQ=MONTHLY;BYSETPOS=1", "needs FREQ=MONTHLY and BYDAY"),
        ("FREQ=DAILY;BYMONTH=2", "expected FREQ, INTERVAL"),
        ("DTSTART:20260101T000000\nRRULE:FREQ=DAILY", "expected FREQ, INTERVAL"),
        ("FREQ=WEEKLY;BYDAY=" + ",".join(["SA"] * 40), "expected days"),
        ("FREQ=DAILY;" * 50, "at most 300"),
    ],
)
def test_a_rule_that_can_not_be_used_says_why(rule: str, why: str) -> None:
    """Among them all that could make dateutil look for ever."""
    with pytest.raises(RecurrenceError) as refused:
        Recurrence(rule=rule, time_zone="UTC", duration=HOUR)
    assert why in str(refused.value)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "\0"])
def test_what_is_no_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(RecurrenceError, match="not a time zone"):
        weekly(zone)


@pytest.mark.parametrize("hours", [0, -1, 24 * 32])
def test_a_window_lasts_more_than_nothing_and_at_most_a_month(hours: float) -> None:
    with pytest.raises(RecurrenceError, match="at most 31 days"):
        weekly(hours=hours)
