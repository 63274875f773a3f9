"""``vigil silences`` as people call it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from incident_rows import incident_row

from monitor.store.database import Sessions, open_engine

LENS = ("camera=c7", "--for", "2h", "-m", "lens")


@pytest.fixture
def sessions(run: Any, config: Path) -> Any:
    run("db", "upgrade")
    engine = open_engine(f"sqlite:///{config.parent / 'vigil.db'}")
    yield Sessions(engine)
    engine.dispose()


def listed(run: Any, *arguments: str) -> list[tuple[str, str]]:
    found = json.loads(run("silences", "list", "--json", *arguments).output)
    return [(each["name"], each["state"]) for each in found]


def test_a_silence_is_added_listed_extended_and_ended(run: Any) -> None:
    """By its name or its number; the list shows what is not over."""
    added = run("silences", "add", *LENS).output
    assert "would silence no open incident" in added
    assert "S-1: holds until" in added
    assert listed(run) == [("S-1", "active")]
    assert "S-1: ends" in run("silences", "extend", "S-1", "--for", "1h").output
    assert run("silences", "end", "1").output == "S-1: ended\n"
    assert (listed(run), listed(run, "--state", "all")) == ([], [("S-1", "expired")])
    assert "S-1 is over since" in run("silences", "end", "s-1", code=2).output


def test_a_preview_names_the_incidents_and_adds_nothing(run: Any, sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.add(incident_row(datetime.now(UTC)))
    shown = run("silences", "preview", 'model=~"reader|gate"').output
    assert "would silence 1 open incident" in shown
    assert "#1 (open) Camera c7 lost focus [camera=c7]" in shown
    assert listed(run, "--state", "all") == []


def test_a_recurring_window_and_a_freeze_are_added(run: Any) -> None:
    until = (datetime.now(UTC) + timedelta(days=100)).date().isoformat()
    told = run(
        "silences", "add", "site=north", "--kind", "maintenance", "--every",
        "FREQ=WEEKLY;BYDAY=SA", "--time-zone", "Europe/Berlin", "--for", "4h",
        "--until", until, "-m", "belt",
    ).output  # fmt: skip
    assert "FREQ=WEEKLY;BYDAY=SA in Europe/Berlin, for 4h each" in told
    frozen = run(
        "silences", "add", "model=reader", "--kind", "freeze", "--for", "1d", "-m", "year-end"
    ).output
    assert "would hold back rollbacks of no open incident" in frozen
    released = run("release", "reader", "v2").output
    assert "warning: reader/production is under the release freeze S-2 until" in released
    ended = run("silences", "end", "S-2")
    assert "warning" not in run("release", "reader", "v3").output, ended.output
    mistyped = run("release", "reeder", "v2", code=2)
    assert "reeder in production: there is no such model: declare it" in mistyped.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("add", "camera=c7", "-m", "x"), "for how long"),
        (("add", 'camera=~"(a"', "--for", "1h", "-m", "x"), "a ( without its )"),
        (("add", 'camera=~".*"', "--for", "1h", "-m", "x"), "hold for anything"),
        (("add", "camera", "--for", "1h", "-m", "x"), "expected label=value"),
        (("end", "twelve"), "expected a silence such as S-12"),
        (("end", "S-9"), "no silence of that number"),
        (("extend", "S-9"), "no silence of that number"),
        (("list", "--state", "asleep"), "state: expected active, pending, expired or all"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run: Any, arguments: tuple[str, ...], why: str) -> None:
    output = run("silences", *arguments, code=2).output
    assert why in output
    assert len(output.splitlines()) == 1


def test_forgotten_ones_are_reported_with_an_exit_code(run: Any, sessions: Sessions) -> None:
    """For a cron job: 0 where there is nothing to look at, 1 where there is."""
    assert "No silence is forgotten." in run("silences", "check").output
    with sessions.begin() as session:
        session.add(incident_row(datetime.now(UTC)))
    run("silences", "add", *LENS)
    assert "while #1 is still open" in run("silences", "check", code=1).output
