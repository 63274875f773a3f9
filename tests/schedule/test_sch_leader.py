"""Of several service processes on one database one works; another takes over when it is gone."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace

import pytest
import small_fleet as fleet
from sqlalchemy.exc import OperationalError

from monitor.schedule.jobs import LEASE_S, Leader, start
from monitor.watch.job_log import JobLog
from vigil.clock import ManualClock
from vigil.errors import ConflictError


class Works(SimpleNamespace):
    """Whatever else there is to do is idle."""

    def __getattr__(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(run_due=lambda *_: False)


class Process:
    """One service process whose works only count; ``fails`` makes its ticks raise."""

    def __init__(self, url: str, clock: ManualClock, name: str) -> None:
        self.services = fleet.opened(url, clock)
        self.done = {"ticks": 0, "deliveries": 0, "actions": 0, "exact": 0}
        self.fails: Exception | None = None
        self.leader = Leader(self.services, holder=name)
        works = Works(
            ticks=SimpleNamespace(run_due=lambda: self._did("ticks")),
            outbox=SimpleNamespace(deliver_due=lambda *_: self._did("deliveries")),
            actions=SimpleNamespace(run_due=lambda *_, **__: self._did("actions")),
            exact_checks=SimpleNamespace(run_due=lambda *_: self._did("exact")),
            job_log=JobLog(),
        )
        self.scheduler = start(self.services, works, self.leader)  # type: ignore[arg-type]

    def _did(self, what: str) -> None:
        self.done[what] += 1
        if what == "ticks" and self.fails is not None:
            raise self.fails

    def stop(self, *, orderly: bool) -> None:
        if self.scheduler.running:
            self.scheduler.shutdown(wait=True)
            if orderly:
                self.leader.resign()
            self.services.close()


@pytest.fixture
def pair(database_url: str):
    clock = ManualClock(fleet.NOON)
    first = Process(database_url, clock, "first")
    soon(lambda: first.done["ticks"])
    second = Process(database_url, clock, "second")
    yield first, second, clock
    first.stop(orderly=True)
    second.stop(orderly=True)


def soon(condition, *, within_s: float = 10.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_two_processes_one_does_the_jobs_and_both_deliver(pair):
    first, second, _ = pair
    before = first.done["ticks"]
    soon(lambda: first.done["ticks"] >= before + 3 and min(first.done.values()) >= 1)
    soon(lambda: second.done["deliveries"])
    assert {**second.done, "deliveries": 0} == dict.fromkeys(second.done, 0)
    with second.services.sessions.begin() as session, pytest.raises(ConflictError):
        second.leader.check(session)


def test_an_orderly_end_hands_over_at_once(pair):
    first, second, _ = pair
    first.stop(orderly=True)
    soon(lambda: second.done["ticks"])


def test_after_a_kill_another_takes_over_when_the_lease_has_run_out(pair):
    first, second, clock = pair
    first.stop(orderly=False)
    clock.advance(LEASE_S - 0.1)
    time.sleep(0.3)
    assert second.done["ticks"] == 0
    clock.advance(0.2)
    soon(lambda: second.done["ticks"])


def test_who_lost_the_lease_stops_working_and_may_not_commit(database_url: str):
    """It was suspended for longer than its lease: another leads by now."""
    clock = ManualClock(fleet.NOON)
    services = [fleet.opened(database_url, clock) for _ in range(2)]
    asleep, awake = (Leader(one, holder=str(i)) for i, one in enumerate(services))
    assert asleep.is_mine()
    clock.advance(LEASE_S + 1.0)
    assert awake.is_mine()
    with services[0].sessions.begin() as session, pytest.raises(ConflictError):
        asleep.check(session)
    assert not asleep.is_mine()
    assert awake.is_mine()
    for one in services:
        one.close()


@pytest.mark.parametrize(
    ("error", "level", "said"),
    [
        (RuntimeError("boom"), logging.ERROR, "fleet-tick failed"),
        (OperationalError("select", {}, Exception("gone")), logging.WARNING, "database is away"),
    ],
)
def test_a_job_that_fails_is_logged_and_tried_again(pair, caplog, error, level, said):
    first, second, _ = pair
    with caplog.at_level(logging.WARNING, logger="vigil.schedule"):
        first.fails = error
        before = first.done["ticks"]
        soon(lambda: first.done["ticks"] >= before + 3)
        first.fails = None
    assert any(r.levelno == level and said in r.getMessage() for r in caplog.records)
    assert second.done["ticks"] == 0
