"""The service is killed between any two of its steps: no page lost, none doubled, no change lost.

Simulated deaths (every thread stops at its next step) are quick; of real ones, processes that end
themselves with signal 9, there is a sample here, and 200 under ``make test-servers``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import crash_story
import numpy as np
import pytest
import small_fleet as fleet
from sqlalchemy import create_engine, select, text

from monitor.standins.app import StandIns
from monitor.store.database import Sessions, open_engine
from monitor.store.tables import Base, IncidentRow, OutboxRow, TimelineRow
from vigil.clock import ManualClock

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HERE = Path(__file__).parent
Kill = Callable[..., dict[str, int]]


class World:
    """Receivers that live on, and a database that is opened by one life after the other."""

    def __init__(self, database: str) -> None:
        self.database, self.lives = database, 0
        self.clock = ManualClock(START)
        self.standins = StandIns(
            clock=self.clock, slack_token=crash_story.TOKEN, routing_key=crash_story.ROUTING_KEY
        )
        self.standins.start()

    def arguments(self, kill_at: int | None) -> dict[str, Any]:
        start = crash_story.later(START, self.lives)
        self.lives += 1
        self.clock.advance((datetime.fromisoformat(start) - self.clock.now()).total_seconds())
        return {
            "database": self.database,
            "standins": self.standins.url,
            "start": start,
            "kill_at": kill_at,
        }

    def simulated(self, kill_at: int | None) -> bool:
        """One life in this process; whether it died."""
        try:
            crash_story.play(**self.arguments(kill_at), real=False)
        except crash_story.Dead:
            return True
        return False

    def check(self) -> None:
        """All is as if nobody had died. What receivers refused are requests cut off by a death: a
        message that was refused would be dead."""
        engine = open_engine(self.database)
        with Sessions(engine)() as session:
            states = session.scalars(select(IncidentRow.state).order_by(IncidentRow.id)).all()
            assert states == ["resolved"] * 3
            for model, kinds in LIVES.items():
                number = select(IncidentRow.id).where(IncidentRow.model == model)
                rows = select(TimelineRow.kind).where(
                    TimelineRow.incident_id == number.scalar_subquery()
                )
                told = list(session.scalars(rows.order_by(TimelineRow.id)))
                assert [kind for kind in told if kind not in OF_THE_WAY] == kinds
                assert "undelivered" not in told
            sent = session.execute(
                select(OutboxRow.receiver, OutboxRow.event, OutboxRow.state)
            ).all()
        engine.dispose()
        assert {state for _, _, state in sent} == {"delivered"}
        assert len(sent) == 2 * (3 * 3 + 1) - 2 * 1  # the third is not acknowledged
        pager, slack = self.standins.pagerduty, self.standins.slack
        assert [one.state for one in pager.incidents] == ["resolved"] * 3  # none lost, none twice
        assert len({one.dedup_key for one in pager.incidents}) == 3
        assert len(slack.messages) == 3
        replies = [message_id(one) for first in slack.messages for one in first.replies]
        assert len(replies) == len(set(replies))

    def close(self) -> None:
        self.standins.close()


def message_id(message: Any) -> str:
    return str(message.content["metadata"]["event_payload"]["message_id"])


OF_THE_WAY = ("decision", "delivered", "undelivered")
LIVES = {
    "reader": ["detected", "paged", "acknowledged", "widened", "resolved"],
    "sorter": ["detected", "paged", "acknowledged", "resolved"],
    "grader": ["detected", "paged", "resolved"],
}


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    made = World(sqlite_url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def kill() -> Iterator[Kill]:
    """Lets a process of its own play one life, and tells how it ended."""
    root = HERE.parents[1]
    process = subprocess.Popen(
        [sys.executable, str(HERE / "crash_story.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{HERE}:{HERE.parent}"},
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def life(arguments: dict[str, Any]) -> dict[str, int]:
        process.stdin.write(json.dumps(arguments) + "\n")  # type: ignore[union-attr]
        process.stdin.flush()  # type: ignore[union-attr]
        return dict(json.loads(process.stdout.readline()))  # type: ignore[union-attr]

    yield life
    process.stdin.close()
    process.stdout.close()
    assert process.wait(30) == 0


def test_undisturbed_the_story_is_told(world: World):
    """And it has the boundaries that the others die at."""
    done = crash_story.play(**world.arguments(None), real=False)
    world.check()
    assert done.passed >= 100


@pytest.mark.parametrize("seed", range(4))
def test_simulated_deaths_lose_and_double_nothing(world: World, seed: int):
    """Each life dies at a random step, six times, then one lives to the end."""
    rng = np.random.default_rng([17, seed])
    deaths = sum(world.simulated(int(rng.integers(1, 40))) for _ in range(6))
    assert not world.simulated(None)
    assert deaths >= 3
    world.check()


def real_deaths(world: World, kill: Kill, rng: np.random.Generator, most: int) -> int:
    """Kill one life after the other until ``most`` have died; the last one lives to the end."""
    deaths = 0
    while deaths < most:
        ended = kill(world.arguments(int(rng.integers(1, 40))))
        if ended["status"] == 0:
            break
        assert os.WTERMSIG(ended["status"]) == signal.SIGKILL
        deaths += 1
    assert kill(world.arguments(None))["status"] == 0
    world.check()
    return deaths


def test_processes_killed_with_signal_9_lose_and_double_nothing(world: World, kill: Kill):
    assert real_deaths(world, kill, np.random.default_rng(23), 5) == 5


@pytest.mark.servers
@pytest.mark.timeout(900)
def test_two_hundred_kills_on_sqlite(sqlite_template: Path, tmp_path: Path, kill: Kill):
    """Seeded random points, some eight to a story."""
    rng, deaths, stories = np.random.default_rng(29), 0, 0
    while deaths < 200:
        path = tmp_path / f"{stories}.db"
        shutil.copyfile(sqlite_template, path)
        made = World(f"sqlite:///{path}")
        try:
            deaths += real_deaths(made, kill, rng, min(8, 200 - deaths))
        finally:
            made.close()
        stories += 1
    sys.stdout.write(f"{deaths} kills in {stories} stories\n")
    assert deaths == 200


@pytest.mark.servers
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_twenty_kills_on_postgresql(postgresql_url: str, kill: Kill):
    rng, deaths = np.random.default_rng(31), 0
    while deaths < 20:
        made = World(postgresql_url)
        try:
            deaths += real_deaths(made, kill, rng, min(5, 20 - deaths))
        finally:
            made.close()
        empty(postgresql_url)
    assert deaths == 20


def empty(database: str) -> None:
    engine = create_engine(database, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        tables = ", ".join(Base.metadata.tables)
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    engine.dispose()


@pytest.mark.postgres
def test_two_processes_that_deliver_at_once_double_nothing(postgresql_url: str):
    """Both poll the same rows of PostgreSQL: claims let each message have one of them."""
    from threading import Barrier, Thread

    world = World(postgresql_url)
    lives = [
        crash_story.Life(
            postgresql_url,
            world.standins.url,
            start=START,
            boundaries=crash_story.Boundaries(kill_at=None, real=False),
        )
        for _ in range(2)
    ]
    with lives[0].services.sessions.begin() as session:
        for number in range(20):
            lives[0]._raise(session, f"model-{number}", START)
    start = Barrier(2)

    def deliver(life: crash_story.Life) -> None:
        start.wait(30.0)
        life._tell_all()

    threads = [Thread(target=deliver, args=(life,)) for life in lives]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120.0)
    with lives[0].services.sessions() as session:
        rows = session.scalars(select(OutboxRow)).all()
    assert [(row.state, row.attempts) for row in rows] == [("delivered", 1)] * 40
    assert [len(one.log) for one in world.standins.pagerduty.incidents] == [1] * 20
    assert len(world.standins.slack.messages) == 20
    for life in lives:
        life.close()
    world.close()
    assert fleet.NOON == START
