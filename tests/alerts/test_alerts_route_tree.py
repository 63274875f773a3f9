"""Who hears of what: the tree of routes decides for every incident, always the same way."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.routing.drawing import drawn, in_words
from alerts.routing.escalation import Policy, Step
from alerts.routing.hours import DAYS, Hours
from alerts.routing.tree import Match, Route, choose
from alerts.types import AlertKind, Severity
from vigil.types import Cause

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)  # a Saturday
LABELS = {
    "alertname": "input_fault",
    "cause": "input_fault",
    "severity": "error",
    "model": "gate",
    "deployment": "production",
    "owner": "vision",
    "camera": "c3",
    "slice_model": "iphone",
}
OFFICE = Hours(
    name="office",
    days=DAYS[:5],
    start=time(9),
    end=time(17),
    zone=ZoneInfo("Europe/Berlin"),
)


def route(*receivers: str, **values) -> Route:
    asked = {name: values.pop(name) for name in list(values) if name in Match.__slots__}
    return Route(match=Match(**asked), receivers=receivers, **values)


@pytest.mark.parametrize(
    ("asked", "why_not"),
    [
        ({}, None),
        ({"model": "gate", "owner": "vision", "cause": Cause.INPUT_FAULT}, None),
        ({"slice": {"camera": "c3"}}, None),
        ({"slice": {"model": "iphone"}}, None),
        ({"severity": Severity.WARNING}, None),
        ({"model": "lane"}, "model is gate, not lane"),
        ({"severity": Severity.CRITICAL}, "severity error is below critical"),
        ({"cause": Cause.NO_DATA}, "cause is input_fault, not no_data"),
        ({"kind": AlertKind.HARD_FAULT}, "kind is input_fault, not hard_fault"),
        ({"slice": {"camera": "c3", "site": "north"}}, "site is not given, not north"),
        ({"owner": "ops"}, "owner is vision, not ops"),
        (
            {"hours": OFFICE},
            "it is not within the hours office (mon, tue, wed, thu, fri 09:00 to 17:00 "
            "Europe/Berlin)",
        ),
    ],
)
def test_a_match_says_what_does_not_hold(asked, why_not):
    assert Match(**asked).mismatch(LABELS, AT) == why_not


@pytest.mark.parametrize(
    ("routes", "receivers", "taken"),
    [
        ([], ("console",), ()),
        ([route("a", model="lane")], ("console",), ()),
        ([route("a", "b", "a"), route("c")], ("a", "b"), ("1",)),
        ([route("a", proceed=True), route("c"), route("d")], ("a", "c"), ("1", "2")),
        ([route("a", routes=(route("b", model="lane"), route("c")))], ("c",), ("1.2",)),
        ([route("a", routes=(route("b", model="lane"),))], ("a",), ("1",)),
        ([route("a", routes=(route(escalation="night"),))], ("a",), ("1.1",)),
        ([route(routes=(route("b", model="lane"),)), route("c")], ("c",), ("2",)),
        (
            [route("a", routes=(route("b", proceed=True), route("c"), route("d")))],
            ("b", "c"),
            ("1.1", "1.2"),
        ),
        (
            [route("a", routes=(route("b", routes=(route("c"),)),), proceed=True), route("d")],
            ("c", "d"),
            ("1.1.1", "2"),
        ),
    ],
)
def test_the_first_match_decides_and_inside_it_the_first_of_its_own(routes, receivers, taken):
    answer = choose(routes, LABELS, at=AT)
    assert (answer.receivers, answer.taken) == (receivers, taken)


def test_an_inner_route_takes_what_it_does_not_name_from_the_one_around_it():
    outer = route("a", escalation="night", routes=(route("b"),))
    assert choose([outer], LABELS, at=AT).escalation == "night"
    inner = route("a", escalation="night", routes=(route("b", escalation="day"),))
    assert choose([inner], LABELS, at=AT).escalation == "day"


def test_the_reason_names_the_routes_taken_and_those_passed_over():
    routes = [route("a", model="lane"), route("b", severity=Severity.CRITICAL), route("c")]
    answer = choose(routes, LABELS, at=AT)
    assert answer.reason == "route 3 matches"
    assert answer.passed == (
        "route 1: model is gate, not lane",
        "route 2: severity error is below critical",
    )
    assert choose(routes[:1], LABELS, at=AT).reason == "default (route 1: model is gate, not lane)"
    assert choose([], LABELS, at=AT).reason == "default (no routes are configured)"


@pytest.mark.parametrize(
    ("hours", "moment", "covered"),
    [
        (OFFICE, "2026-11-20 08:00", True),  # 09:00 in Berlin
        (OFFICE, "2026-11-20 07:59", False),
        (OFFICE, "2026-11-20 15:59", True),
        (OFFICE, "2026-11-20 16:00", False),
        (OFFICE, "2026-11-21 10:00", False),  # a Saturday
        (OFFICE, "2026-07-03 07:00", True),  # summer time: 09:00
        (OFFICE, "2026-07-03 15:00", False),
        ("night", "2026-11-20 16:00", True),  # Friday 17:00
        ("night", "2026-11-21 07:59", True),  # Friday's night, on Saturday morning
        ("night", "2026-11-21 08:00", False),
        ("night", "2026-11-21 20:00", False),  # Saturday has none
        ("night", "2026-11-23 03:00", False),  # nor has Sunday's, on Monday morning
        ("night", "2026-10-25 00:30", False),  # Sunday 02:30, the first time
        ("day", "2026-10-25 00:30", True),
        ("day", "2026-10-25 01:30", True),  # and the second time
        ("day", "2026-10-25 02:00", False),  # 03:00
        ("day", "2026-03-29 00:59", False),  # 01:59, then the clocks go to 03:00
        ("day", "2026-03-29 01:00", False),
        ("all", "2026-11-22 12:00", True),
    ],
)
def test_hours_follow_the_clocks_of_their_place(hours, moment, covered):
    made = {
        "night": ("night", DAYS[:5], time(17), time(9)),
        "day": ("day", DAYS, time(2), time(3)),
        "all": ("all", DAYS, time(0), time(0)),
    }
    if isinstance(hours, str):
        name, days, start, end = made[hours]
        zone = ZoneInfo("Europe/Berlin")
        hours = Hours(name=name, days=days, start=start, end=end, zone=zone)
    assert hours.covers(datetime.fromisoformat(f"{moment}+00:00")) is covered


names = st.sampled_from(["a", "b", "c"])
matches = st.builds(
    Match,
    model=st.none() | st.sampled_from(["gate", "lane"]),
    severity=st.none() | st.sampled_from(Severity),
    owner=st.none() | st.sampled_from(["vision", "ops"]),
    hours=st.none() | st.just(OFFICE),
)
trees = st.recursive(
    st.builds(Route, match=matches, receivers=st.lists(names).map(tuple), proceed=st.booleans()),
    lambda inner: st.builds(
        Route,
        match=matches,
        receivers=st.lists(names).map(tuple),
        proceed=st.booleans(),
        routes=st.lists(inner, max_size=3).map(tuple),
    ),
    max_leaves=8,
)


@given(
    st.lists(trees, max_size=4),
    st.sampled_from(Severity),
    st.sampled_from(["gate", "lane"]),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2030, 1, 1)),
)
def test_every_incident_has_receivers_and_always_the_same(routes, severity, model, at):
    """Total and deterministic: nothing is dropped, each receiver is named once, and every route
    that decided really matches."""
    labels = {**LABELS, "severity": severity.value, "model": model}
    at = at.replace(tzinfo=UTC)
    answer = choose(routes, labels, at=at)
    assert answer == choose(routes, labels, at=at)
    assert answer.receivers
    assert len(set(answer.receivers)) == len(answer.receivers)
    lines = {line.place for line in drawn(routes)}
    assert set(answer.taken) <= lines
    assert (answer.receivers == ("console",)) == (not answer.taken)
    for place in answer.taken:
        here = routes
        for number in place.split("."):
            one = here[int(number) - 1]
            assert one.match.mismatch(labels, at) is None
            here = one.routes


def test_a_tree_is_drawn_with_numbers_and_a_policy_in_words():
    tree = [route("a", model="gate", routes=(route("b", hours=OFFICE),)), route("c")]
    places = [(line.place, line.depth, line.match) for line in drawn(tree)]
    office = "in the hours office (mon, tue, wed, thu, fri 09:00 to 17:00 Europe/Berlin)"
    assert places == [("1", 0, "model gate"), ("1.1", 1, office), ("2", 0, "anything")]
    steps = (Step(after_s=300.0, receivers=("a",)), Step(after_s=600.0, receivers=("b", "c")))
    policy = Policy(name="night", steps=steps, repeat=2)
    assert in_words(policy) == "after 5 min a; 10 min later b, c; then 2 times more"
