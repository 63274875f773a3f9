"""A review of runbooks tells of old pages, dead links, unknown names and wrong commands."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from alerts.types import AlertKind
from monitor.cli import command_lines
from monitor.cli.reference import command_tree
from runbooks.library import Library, load, parse
from runbooks.review import Fault, commands_in, review
from vigil.catalogue import CATALOGUE

TODAY = date(2026, 11, 21)
PAGE = """+++
title = "Own page"
alerts = ["input_fault"]
owner = "cameras"
severity = "error"
last_reviewed = 2026-11-01
first_step = "Call the site."
+++

1. Run `vigil status`, then read [more]({{ service_url }}/runbooks/own).
"""


ROOT = command_tree()


def command_fault(line: str) -> str:
    return command_lines.command_fault(line, ROOT)


def faults(text: str, *, days: int = 180, today: date = TODAY) -> dict[Fault, str]:
    found = review(
        Library([parse(text, source="own.md")]),
        today=today,
        within=timedelta(days=days),
        alerts={kind.value for kind in AlertKind},
        signals=CATALOGUE,
        command_fault=command_fault,
    )
    return {one.fault: one.text for one in found}


def test_a_good_page_has_no_problem():
    assert faults(PAGE) == {}


@pytest.mark.parametrize(
    ("old", "new", "fault", "named"),
    [
        ("input_fault", "flood", Fault.UNKNOWN_ALERT, "flood"),
        ('["input_fault"]', '["input_fault"]\nsignals = ["mood"]', Fault.UNKNOWN_SIGNAL, "mood"),
        ("runbooks/own", "runbooks/gone", Fault.DEAD_LINK, "gone"),
        ("vigil status", "vigil stauts", Fault.UNKNOWN_COMMAND, "stauts"),
        ("vigil status", "vigil status --loud", Fault.UNKNOWN_COMMAND, "--loud"),
        ("2026-11-01", "2027-11-01", Fault.FROM_THE_FUTURE, "2027-11-01"),
        ("1. Run", "Run", Fault.NO_STEPS, "step"),
    ],
)
def test_each_problem_is_named(old, new, fault, named):
    found = faults(PAGE.replace(old, new))
    assert set(found) == {fault}
    assert named in found[fault]


def test_a_review_holds_for_so_many_days():
    """On the last day it still holds."""
    assert faults(PAGE, days=20) == {}
    assert "more than 19 days" in faults(PAGE, days=19)[Fault.NOT_REVIEWED]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("vigil incidents show 7", ""),
        ("vigil incidents show 7 --json | jq .state", ""),
        ("vigil windows --model x # of one model", ""),
        ("vigil incidents accept 7", "needs --reason"),
        ("vigil incidents accept 7 --reason", "--reason needs a value"),
        ("vigil incidents show", "expected 1 arguments, found 0"),
        ("vigil actions approve 7", "expected 2 arguments, found 1"),
        ("vigil incidents", "a group of commands"),
        ("vigil incidents show 'x", "No closing quotation"),
        ("vigil detect --help", ""),
    ],
)
def test_a_command_line_is_held_against_the_commands_that_there_are(line, told):
    assert told in command_fault(line)
    assert bool(command_fault(line)) == bool(told)


def test_commands_are_found_in_blocks_and_in_spans():
    body = "Run `vigil status` or `nvidia-smi`:\n\n```\nvigil windows\ncurl x\n```\n"
    assert commands_in(body) == ["vigil windows", "vigil status"]


def test_the_packages_own_pages_have_no_problem_but_their_age():
    """Every command on every page exists; every link leads somewhere."""
    found = review(
        load(),
        today=max(book.last_reviewed for book in load()),
        within=timedelta(days=180),
        alerts={kind.value for kind in AlertKind},
        signals=CATALOGUE,
        command_fault=command_fault,
    )
    assert [f"{one.page}: {one.text}" for one in found] == []
