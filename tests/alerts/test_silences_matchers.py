"""Matchers and their patterns: what holds for what, and what is refused."""

from __future__ import annotations

import random
import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.silences.errors import MatcherError, PatternError, SilenceError
from alerts.silences.matchers import Matcher, Op, holds_always
from alerts.silences.pattern import Pattern

LABELS = {"camera": "c31", "model": "gate"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("camera=c31", True),
        ('camera = "c31"', True),
        ("camera=c3", False),
        ("camera!=c3", True),
        ("camera!=c31", False),
        ('model=~"gate|lane"', True),
        ("model=~gat", False),
        ("model=~gat.", True),
        ("model=~^gate$", True),
        ("camera=~c[0-9]{1,2}", True),
        (r"camera=~c\d", False),
        ("model!~lane.*", True),
        ("model!~g.*", False),
        ("site=", True),
        ('site=~".*"', True),
        ('site=~".+"', False),
        ("site!=", False),
        ("site!~x", True),
    ],
)
def test_a_matcher_holds_for_the_whole_value_and_a_missing_label_is_empty(
    text: str, holds: bool
) -> None:
    """Equal and unequal, like and unlike; expressions are anchored at both ends."""
    assert Matcher.parse(text).holds(LABELS) is holds


@given(
    label=st.from_regex(r"[A-Za-z_][A-Za-z0-9_.:-]{0,20}", fullmatch=True),
    op=st.sampled_from([Op.EQUAL, Op.NOT_EQUAL]),
    value=st.text(max_size=60),
)
def test_what_a_matcher_writes_it_reads(label: str, op: Op, value: str) -> None:
    """Quotes, backslashes, brackets and line breaks survive the way there and back."""
    matcher = Matcher(label=label, op=op, value=value)
    assert Matcher.parse(str(matcher)) == matcher
    assert Matcher.from_json(matcher.to_json()) == matcher


@pytest.mark.parametrize(
    "text",
    ["", "camera", "=x", "!=x", 'a="x', 'a="x" b', 'a="x"y"', 'a="x\\"', '"a"=x', "a b=x"],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        Matcher.parse(text)


@pytest.mark.parametrize(
    "plain",
    [{}, {"label": "a", "op": "==", "value": "b"}, {"label": "a", "op": "=", "value": 3}, []],
)
def test_what_is_no_stored_matcher_is_refused(plain: object) -> None:
    with pytest.raises(MatcherError):
        Matcher.from_json(plain)  # type: ignore[arg-type]


def test_sizes_are_bounded() -> None:
    """A label, a value, a pattern, its depth and what its repeats make of it."""
    for label, op, value in (
        ("a" * 201, "=", "x"),
        ("", "=", "x"),
        ("a", "=", "x" * 501),
        ("a", "=~", "(" * 21 + "x" + ")" * 21),
        ("a", "=~", "((x{100}){100}){100}"),
        ("a", "=~", "(((x{0}){100}){100}){100}"),
        ("a", "=~", "x{101}"),
    ):
        with pytest.raises(SilenceError) as refused:
            Matcher(label=label, op=Op(op), value=value)
        assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(a", "a ( without its )"),
        ("a)", "a ) without its ("),
        ("[a", "a [ without its ]"),
        ("[z-a]", "a range runs from"),
        ("*a", "nothing to repeat"),
        ("a**", "can't be repeated"),
        ("a*?", "can't be repeated"),
        ("a{2,1}", "below the first"),
        ("a{x}", "expected {n}"),
        ("a{", "expected {n}"),
        ("(?=a)", "look-around"),
        ("(?i)a", "flags"),
        ("(?P<n>a)", "names"),
        (r"(a)\1", r"\1 is not supported"),
        (r"\bx", r"\b is not supported"),
        ("a^b", "^ inside"),
        ("a$b", "$ inside"),
        ("a\\", "lone"),
    ],
)
def test_a_pattern_that_can_not_be_used_says_why_and_where(pattern: str, why: str) -> None:
    with pytest.raises(PatternError, match="character") as refused:
        Pattern(pattern)
    assert why in str(refused.value)


_ATOMS = ["a", "b", ".", "[ab]", "[^a]", "[a-b]", r"\d", r"\w", "(a|b)", "(?:ab|)", r"\.", "c"]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(_ATOMS), st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}"])),
        min_size=1,
        max_size=4,
    )
)
def test_patterns_mean_what_they_mean_to_python(parts: list[tuple[str, str]]) -> None:
    """On all short texts, the automaton agrees with the back-tracking of ``re``."""
    text = "".join(atom + repeat for atom, repeat in parts)
    ours, theirs = Pattern(text), re.compile(text, re.DOTALL)
    for length in range(5):
        for chars in product("ab1.", repeat=length):
            value = "".join(chars)
            assert ours.matches(value) is bool(theirs.fullmatch(value)), value


@pytest.mark.parametrize(
    "pattern", ["(a*)*b", "(a|a)*b", "(a|aa)+b", "(.*)*(.*)*x", "(a?){30}a{30}b", "(x+x+)+y"]
)
def test_a_regex_bomb_does_not_go_off(pattern: str) -> None:
    """What back-tracks for ages elsewhere ends here: the states stay as many as they are."""
    built = Pattern(pattern)
    assert not built.matches("a" * 2000)
    assert not built.matches("x" * 2000 + "!")


def test_the_kept_steps_of_a_pattern_are_bounded() -> None:
    """Values that are never the same twice do not fill the memory."""
    built, rng = Pattern(".*a.{8}"), random.Random(3)
    for _ in range(300):
        built.matches("".join(rng.choices("abcdefgh", k=40)))
    assert len(built._steps) <= 500


def test_matchers_that_hold_for_nothing_at_all_hold_always() -> None:
    """They would mute everything, unsaid."""
    assert holds_always([])
    assert holds_always([Matcher.parse('a=~".*"'), Matcher.parse("b!=x")])
    assert not holds_always([Matcher.parse('alertname=~".+"'), Matcher.parse("b!=x")])
