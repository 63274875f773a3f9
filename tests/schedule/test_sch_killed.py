"""A tick that dies between any two of its steps leaves nothing, and is done again just the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import small_fleet as fleet

from detectors.evidence.engine import FleetEvidence
from monitor.checks import state
from monitor.checks.points import Points
from monitor.checks.verdict_rows import VerdictLog
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge
from monitor.response.handle import Responder
from monitor.schedule import judging
from monitor.schedule import tick as ticks
from monitor.store.tables import TickRow

VARIES = {"duration_ms"}
"""Columns that say how long a tick took."""


class Killed(BaseException):
    """The process dies here."""


def dump(story: fleet.Story) -> dict[str, list[tuple[object, ...]]]:
    rows = fleet.rows_of(story.services.engine)
    return {
        table: [tuple(v for k, v in row.items() if k not in VARIES) for row in found]
        for table, found in rows.items()
    }


@lru_cache(maxsize=1)
def eve(template: str) -> SimpleNamespace:
    """A database just before the tick that raises an incident, with that tick's window in it, and
    the same after two more ticks without any disturbance."""
    folder = Path(tempfile.mkdtemp())

    def begun(name: str, rows: fleet.Rows, **values: object) -> fleet.Story:
        shutil.copyfile(template, folder / name)
        fleet.restore(f"sqlite:///{folder}/{name}", rows)
        return fleet.Story(f"sqlite:///{folder}/{name}", **values)

    scout = begun("scout.db", fleet.history_rows())
    scout.play(6)
    scout.play(20, fleet.REGRESSED, until=lambda: bool(scout.incidents))
    alarm, incident = scout.tick, scout.incidents[0]
    scout.close()
    calm = begun("calm.db", fleet.history_rows())
    calm.play(6)
    calm.play(alarm - calm.tick - 1, fleet.REGRESSED)
    windows = {tick: calm.windows(tick, fleet.REGRESSED)[0] for tick in (alarm, alarm + 1)}
    calm.ship(windows[alarm])
    before = fleet.rows_of(calm.services.engine)
    calm.restart(settled=True)
    finish(calm, alarm, windows)
    after = dump(calm)
    calm.close()
    shutil.rmtree(folder)
    assert incident.cause == "model_regression"
    return SimpleNamespace(before=before, after=after, alarm=alarm, windows=windows)


def finish(story: fleet.Story, alarm: int, windows: dict[int, list]) -> None:
    story.to(alarm)
    story.works.ticks.run_due()
    story.ship(windows[alarm + 1])
    story.to(alarm + 1)
    story.works.ticks.run_due()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def on_the_eve(request: pytest.FixtureRequest, sqlite_template):
    made = eve(str(sqlite_template))
    url = str(request.getfixturevalue(f"{request.param}_url"))
    fleet.restore(url, made.before)
    story = fleet.Story(url, start=made.alarm)
    story.restart(settled=True)
    yield story, made
    story.close()


PLACES: dict[str, tuple[object, str]] = {
    "gather": (ticks, "gather"),
    "score": (ticks, "score"),
    "step": (FleetEvidence, "step"),
    "write verdicts": (VerdictLog, "write"),
    "diagnose": (judging, "diagnose"),
    "raise alert": (Bridge, "raise_alert"),
    "tell": (Announcer, "tell"),
    "hold": (FleetEvidence, "hold"),
    "respond": (Responder, "respond"),
    "points": (Points, "write"),
    "follow up": (Responder, "follow_up"),
    "mark windows": (ticks, "mark_judged"),
    "mark labels": (ticks, "_mark_labels"),
    "save": (state, "save"),
}


def dying(original: Callable[..., object], *, after: bool, deaths: list[int]) -> Callable:
    """The same, but the first call dies, before it began or after it was done."""

    def call(*args: object, **values: object) -> object:
        if deaths:
            return original(*args, **values)
        deaths.append(1)
        if after:
            original(*args, **values)
        raise Killed

    return call


DEATHS = [("sqlite", place, after) for place in PLACES for after in (False, True)] + [
    pytest.param("postgresql", place, after, marks=pytest.mark.postgres)
    for place, after in (("step", True), ("tell", False), ("tell", True), ("save", True))
]


@pytest.mark.parametrize(("on_the_eve", "place", "after"), DEATHS, indirect=["on_the_eve"])
def test_a_killed_tick_leaves_nothing_and_the_next_run_is_as_if_undisturbed(
    on_the_eve, monkeypatch, place: str, after: bool
):
    story, made = on_the_eve
    owner, name = PLACES[place]
    before = dump(story)
    deaths: list[int] = []
    story.to(made.alarm)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying(getattr(owner, name), after=after, deaths=deaths))
        with pytest.raises(Killed):
            story.works.ticks.run_due()
    assert deaths
    assert dump(story) == before
    fleet.count_on(story.services.engine)
    if after:  # one dies for good; the other only failed, and its process goes on
        story.restart(settled=True)
    finish(story, made.alarm, made.windows)
    assert dump(story) == made.after


def test_a_process_that_dies_right_after_the_commit_repeats_nothing(on_the_eve, monkeypatch):
    story, made = on_the_eve
    story.to(made.alarm)
    with monkeypatch.context() as patch:
        patch.setattr(
            story.works.ticks._points, "export", dying(lambda: None, after=False, deaths=[])
        )
        with pytest.raises(Killed):
            story.works.ticks.run_due()
    story.restart(settled=True)
    finish(story, made.alarm, made.windows)
    assert dump(story) == made.after


def test_a_failed_tick_is_tried_again_by_the_same_process(on_the_eve, monkeypatch):
    """An ordinary error is no different from a death, and later ticks wait for it."""
    story, made = on_the_eve
    story.ship(made.windows[made.alarm + 1])
    story.to(made.alarm + 1)
    with monkeypatch.context() as patch:
        patch.setattr(Points, "write", dying(Points.write, after=False, deaths=[]))
        with pytest.raises(Killed):
            story.works.ticks.run_due()
    assert made.alarm not in [row.id for row in story.rows(TickRow)]
    done = story.works.ticks.run_due()
    assert [report.tick for report in done] == [made.alarm, made.alarm + 1]
