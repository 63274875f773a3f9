"""Baselines are read once, however many models a tick has, and as the database has them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import small_fleet as fleet
from sqlalchemy import event

from detectors.reference import reference_of
from monitor.checks import references
from monitor.checks.references import References
from monitor.store import baselines
from monitor.store.database import Sessions, open_engine
from vigil.types import ModelRef
from vigil.windows.baseline import Baseline


def named(version: str) -> Baseline:
    """The same baseline under another version, with a ruler of its own."""
    plain = fleet.baseline("v1")
    model = ModelRef(name=fleet.MODEL, version=version)
    return replace(plain, model=model, ruler=replace(plain.ruler, model=model, id=""), sha256="")


@pytest.fixture
def sessions(sqlite_url: str) -> Iterator[Sessions]:
    engine = open_engine(sqlite_url)
    yield Sessions(engine)
    engine.dispose()


def add(sessions: Sessions, *made: Baseline) -> None:
    with sessions.begin() as session:
        for baseline in made:
            baselines.add(session, baseline)


def ask(sessions: Sessions, known: References, *made: Baseline) -> list[Baseline | None]:
    with sessions() as session:
        return [known.of_ruler(session, baseline.ruler.id) for baseline in made]


def test_a_session_reads_once_which_baselines_are_active(sessions: Sessions):
    made = [named(str(i)) for i in range(4)]
    add(sessions, *made)
    known = References()
    ask(sessions, known, *made)
    said: list[str] = []
    event.listen(sessions.engine, "before_cursor_execute", lambda *args: said.append(str(args[2])))
    assert [one.model.version for one in ask(sessions, known, *made * 3) if one] == [*"0123"] * 3
    assert [statement.split()[0] for statement in said if statement != "BEGIN"] == ["SELECT"]


def test_a_baseline_rebuilt_on_the_same_ruler_takes_over(sessions: Sessions):
    old, new = fleet.baseline("v1"), fleet.baseline("v1", labelled=False)
    assert old.ruler.id == new.ruler.id
    known = References()
    add(sessions, old)
    assert [one.sha256 for one in ask(sessions, known, old) if one] == [old.sha256]
    add(sessions, new)
    assert [one.sha256 for one in ask(sessions, known, old) if one] == [new.sha256]


def test_a_fleet_larger_than_the_cache_reads_no_baseline_twice(sessions: Sessions, monkeypatch):
    """Those that the last tick asked for stay, and so does what was computed of them."""
    monkeypatch.setattr(references, "FEWEST_KEPT", 4)
    made = [named(str(i)) for i in range(40)]
    add(sessions, *made)
    known = References()
    first = ask(sessions, known, *made)
    ready = [id(reference_of(one)) for one in first if one]
    again = ask(sessions, known, *made)
    assert len(ready) == 40
    assert all(one is two for one, two in zip(first, again, strict=True))
    assert [id(reference_of(one)) for one in again if one] == ready


def test_those_that_nobody_asks_for_any_more_are_let_go(sessions: Sessions, monkeypatch):
    monkeypatch.setattr(references, "FEWEST_KEPT", 4)
    made = [named(str(i)) for i in range(12)]
    add(sessions, *made)
    known = References()
    ask(sessions, known, *made)
    for _ in range(2):
        ask(sessions, known, *made[:2])
    assert len(known._kept) == 4
