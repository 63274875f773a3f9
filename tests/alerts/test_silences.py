"""Silences: when they hold, which one is found, what is refused, what is forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.labels import labels_of
from alerts.silences.draft import check_length, draft, from_texts, later_end, matchers_for
from alerts.silences.durations import duration, spoken
from alerts.silences.errors import DurationError, SilenceError
from alerts.silences.forgotten import Concern, forgotten
from alerts.silences.matchers import Matcher
from alerts.silences.recurrence import Recurrence
from alerts.silences.silence import Silence, SilenceKind, SilenceState, find
from alerts.silences.words import freeze_text, when_text
from alerts.types import AlertKind, Incident, Severity
from vigil.types import Cause, Slice

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NIGHTS = Recurrence(rule="FREQ=DAILY", time_zone="UTC", duration=2 * HOUR)
LABELS = {"camera": "c3", "model": "gate"}


def silence(**values: Any) -> Silence:
    plain: dict[str, Any] = {
        "id": 12,
        "kind": SilenceKind.SILENCE,
        "matchers": (Matcher.parse("camera=c3"),),
        "starts_at": NOW,
        "ends_at": NOW + 2 * HOUR,
        "comment": "lens",
        "created_by": "jo",
        "created_at": NOW,
    }
    return Silence(**{**plain, **values})


def test_it_holds_from_its_start_until_before_its_end() -> None:
    """The end is not part of it; ended early it holds until then."""
    one = silence()
    moments = [NOW - HOUR, NOW, NOW + HOUR, NOW + 2 * HOUR]
    assert [one.active(at) for at in moments] == [False, True, True, False]
    assert [one.state(at).value for at in moments] == ["pending", "active", "active", "expired"]
    ended = replace(one, ended_at=NOW + HOUR)
    assert [ended.active(at) for at in moments] == [False, True, False, False]
    assert ended.until(NOW) == NOW + HOUR
    assert (one.name, one.next_start(NOW - HOUR), one.next_start(NOW)) == ("S-12", NOW, None)


def test_one_that_was_ended_before_it_began_never_holds() -> None:
    never = silence(starts_at=NOW + HOUR, ended_at=NOW)
    assert {never.state(NOW + timedelta(minutes=m)) for m in range(0, 180, 10)} == {
        SilenceState.EXPIRED
    }


def test_a_recurring_one_holds_in_its_windows_and_says_when_again() -> None:
    """Between two windows it is pending; ended early it has no next one."""
    nights = silence(recurrence=NIGHTS, ends_at=NOW + 3 * DAY + HOUR)
    assert nights.until(NOW + HOUR) == NOW + 2 * HOUR
    assert nights.state(NOW + 5 * HOUR) is SilenceState.PENDING
    assert nights.next_start(NOW + 5 * HOUR) == NOW + DAY
    assert nights.until(NOW + 3 * DAY) == NOW + 3 * DAY + HOUR
    assert nights.state(NOW + 3 * DAY + HOUR) is SilenceState.EXPIRED
    assert replace(nights, ended_at=NOW + 4 * HOUR).state(NOW + 5 * HOUR) is SilenceState.EXPIRED


def test_of_several_the_one_that_holds_longest_is_found() -> None:
    """So that the time that is told is the time until which nobody is told."""
    short, long = silence(id=1), silence(id=2, ends_at=NOW + 9 * HOUR)
    others = [
        silence(id=3, ends_at=NOW + DAY, matchers=(Matcher.parse("camera=c4"),)),
        silence(id=4, ends_at=NOW + DAY, starts_at=NOW + HOUR),
        silence(id=5, ends_at=NOW + DAY, ended_at=NOW),
        silence(id=6, ends_at=NOW + DAY, kind=SilenceKind.FREEZE),
        silence(id=7, ends_at=NOW + 5 * DAY, recurrence=NIGHTS),
    ]
    assert find([short, long, *others], LABELS, NOW) == long
    assert find([long, short, *others], LABELS, NOW + HOUR) == others[1]
    assert find(others[2:], LABELS, NOW, (SilenceKind.FREEZE,)) == others[3]
    assert find(others, {"camera": "c9"}, NOW) is None
    assert find([], LABELS, NOW) is None


@given(
    spans=st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 8), st.booleans()), max_size=8),
    at=st.integers(-6, 14),
)
def test_find_agrees_with_asking_each(spans: list[tuple[int, int, bool]], at: int) -> None:
    """Whatever overlaps: something is found exactly if something matches and is active."""
    moment = NOW + at * HOUR
    made = [
        silence(
            id=k,
            starts_at=NOW + start * HOUR,
            ends_at=NOW + (start + length) * HOUR,
            matchers=(Matcher.parse("camera=c3" if mine else "camera=c4"),),
        )
        for k, (start, length, mine) in enumerate(spans)
    ]
    holding = [one for one in made if one.matches(LABELS) and one.active(moment)]
    found = find(made, LABELS, moment)
    assert (found is None) is (not holding)
    if found is not None:
        assert found.over_at == max(one.over_at for one in holding)


def test_ten_thousand_silences_with_expressions_are_looked_through() -> None:
    """No expression is compiled twice, and the one that holds is found among them all."""
    texts = (f'camera=~"c{k % 500}-.*|d{k % 500}",site=s{k}'.split(",") for k in range(10_000))
    many = [silence(id=k, matchers=tuple(map(Matcher.parse, each))) for k, each in enumerate(texts)]
    found = find(many, {"camera": "d376", "site": "s9876"}, NOW)
    assert found is not None
    assert found.id == 9876
    assert find(many, {"camera": "e"}, NOW) is None


def a_draft(**values: Any) -> Silence:
    plain: dict[str, Any] = {
        "kind": "silence",
        "matchers": ["camera=c3"],
        "lasts": "2h",
        "comment": "lens",
        "actor": "jo",
        "now": NOW,
    }
    return from_texts(**{**plain, **values})


def test_what_people_type_becomes_a_silence() -> None:
    """Times are by the clocks of the zone, unless they name their own."""
    typed = a_draft(
        start="2026-12-24 18:00", lasts="", until="2027-01-01", time_zone="Europe/Berlin"
    )
    assert typed.starts_at == datetime(2026, 12, 24, 17, tzinfo=UTC)
    assert typed.ends_at == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert a_draft(start="2026-12-24T18:00+00:00").starts_at.hour == 18
    again = a_draft(
        every="freq=weekly;byday=sa", lasts="4h", until="2027-05-01", time_zone="Europe/Berlin"
    )
    assert again.recurrence is not None
    assert again.recurrence.to_json() == {
        "rule": "FREQ=WEEKLY;BYDAY=SA",
        "time_zone": "Europe/Berlin",
        "duration_s": 4 * 3600.0,
    }
    assert Recurrence.from_json(again.recurrence.to_json()) == again.recurrence
    assert "for 4h each" in when_text(again, NOW)
    assert when_text(a_draft(), NOW) == "holds until 2026-11-21 11:00 UTC"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"matchers": []}, 'alertname=~".+"'),
        ({"matchers": ["", "  "]}, "hold for anything"),
        ({"matchers": ['camera=~".*"', "model!=x"]}, "hold for anything"),
        ({"matchers": ["camera=c3"] * 21}, "at most 20 matchers"),
        ({"lasts": "", "until": ""}, "one of the two"),
        ({"until": "2026-11-22"}, "one of the two"),
        ({"lasts": "91d"}, "at most 90 days"),
        ({"start": "2026-11-01", "lasts": "1d"}, "ends in the future"),
        ({"lasts": "", "until": "2026-11-21 08:00"}, "ends after it starts"),
        ({"every": "FREQ=DAILY"}, "until when it comes back"),
        ({"every": "FREQ=DAILY", "until": "2028-01-01"}, "at most 366 days"),
        ({"every": "FREQ=WEEKLY;BYDAY=MO", "until": "2026-11-22"}, "no window before its end"),
        ({"comment": "  "}, "say why"),
        ({"comment": "x" * 2001}, "say why"),
        ({"kind": "nap"}, "expected one of silence, maintenance, freeze"),
        ({"kind": "freeze"}, "not camera"),
        ({"start": "9999-12-31 23:59", "time_zone": "America/New_York"}, "expected a time"),
        ({"lasts": "", "until": "soon"}, "until: expected a time"),
    ],
)
def test_what_no_silence_may_say_is_refused(values: dict[str, Any], why: str) -> None:
    """There is always an end, and everything is only muted where that is said."""
    with pytest.raises(SilenceError) as refused:
        a_draft(**values)
    assert why in str(refused.value)


def test_everything_can_be_silenced_where_it_is_said() -> None:
    assert a_draft(matchers=['alertname=~".+"']).matches({"alertname": "no_data"})
    assert a_draft(kind="freeze", matchers=['model=~".+"']).kind is SilenceKind.FREEZE


def test_a_silence_may_be_extended_only_so_far() -> None:
    """Later by so much, or until then; never more than the longest from now."""
    end = NOW + 2 * HOUR
    assert later_end(end, lasts="1h", until="", time_zone="") == NOW + 3 * HOUR
    at = later_end(end, lasts="", until="2026-11-22 01:00", time_zone="Europe/Berlin")
    assert at == datetime(2026, 11, 22, tzinfo=UTC)
    for lasts, until in (("", ""), ("1h", "2026-11-22")):
        with pytest.raises(SilenceError, match="one of the two"):
            later_end(end, lasts=lasts, until=until, time_zone="")
    with pytest.raises(SilenceError, match="at most 90 days"):
        check_length(silence(ends_at=NOW + 91 * DAY), NOW)


def test_what_would_silence_an_incident_outlives_it() -> None:
    """Its kind, model, deployment and slice: no version, no severity, no cause."""
    incident = Incident(
        id=3,
        group_key="g",
        fingerprint="f",
        kind=AlertKind.INPUT_FAULT,
        cause=Cause.INPUT_FAULT,
        severity=Severity.ERROR,
        model="gate",
        model_version="v2",
        deployment="production",
        slice=Slice.parse("camera=c3 & version=old"),
        title="t",
        onset_at=None,
        detected_at=NOW,
        last_firing_at=NOW,
        labels={"owner": "team"},
    )
    matchers = matchers_for(labels_of(incident))
    assert [str(each) for each in matchers] == [
        'alertname="input_fault"',
        'model="gate"',
        'deployment="production"',
        'camera="c3"',
        'slice_version="old"',
    ]
    later = replace(incident, id=4, model_version="v3", severity=Severity.CRITICAL)
    made = draft(
        kind=SilenceKind.SILENCE,
        matchers=matchers,
        starts_at=None,
        ends_at=NOW + HOUR,
        comment="c",
        actor="jo",
        now=NOW,
    )
    assert made.matches(labels_of(later))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45m", 2700), ("2h", 7200), ("1d12h", 129_600), ("1w", 604_800), (" 90s ", 90)],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "2x", "-2h", "2h3d", "0h", "9999999w", "1.5h", "²h"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(DurationError, match="expected something like"):
        duration(text)


@given(st.integers(1, 3660 * 86400))
def test_durations_are_written_as_they_are_read(seconds: int) -> None:
    assert duration(spoken(timedelta(seconds=seconds))).total_seconds() == seconds


def concerns(one: Silence, at: datetime, **labels: str) -> list[Concern]:
    return [each.concern for each in forgotten([one], {7: {**LABELS, **labels}}, at)]


def test_one_that_ends_within_a_day_under_something_open_is_told() -> None:
    """That will page when it ends; one with more time, or over, or for others, is not told."""
    (told,) = forgotten([silence()], {7: LABELS}, NOW)
    assert told.text == "ends 2026-11-21 11:00 UTC while #7 is still open"
    assert concerns(silence(ends_at=NOW + 2 * DAY), NOW) == []
    assert concerns(silence(), NOW, camera="c4") == []
    assert concerns(silence(), NOW + 2 * HOUR) == []
    assert concerns(silence(starts_at=NOW + HOUR), NOW) == []


def test_one_that_held_nothing_back_is_told_after_a_day() -> None:
    """A freeze holds nothing back by nature."""
    idle = silence(ends_at=NOW + 9 * DAY)
    later = {"at": NOW + DAY, "camera": "c4"}
    assert concerns(idle, **later) == [Concern.UNUSED]
    assert concerns(replace(idle, matched=1, last_matched_at=NOW), **later) == []
    assert concerns(replace(idle, kind=SilenceKind.FREEZE), **later) == []


def test_a_recurring_one_that_held_nothing_back_for_a_month_is_told() -> None:
    """From its start, or from the last time that it did."""
    nights = silence(recurrence=NIGHTS, ends_at=NOW + 90 * DAY)
    assert concerns(nights, NOW + 29 * DAY, camera="c4") == []
    assert concerns(nights, NOW + 31 * DAY, camera="c4") == [Concern.IDLE]
    used = replace(nights, matched=4, last_matched_at=NOW + 20 * DAY)
    assert concerns(used, NOW + 31 * DAY, camera="c4") == []
    assert concerns(used, NOW + 51 * DAY, camera="c4") == [Concern.IDLE]


def test_a_freeze_says_until_when_and_why() -> None:
    frozen = silence(kind=SilenceKind.FREEZE, comment="year-end")
    assert freeze_text(frozen, NOW) == "release freeze S-12 until 2026-11-21 11:00 UTC (year-end)"
