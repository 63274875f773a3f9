"""A small life of two incidents that can be killed between any two of its steps, and goes on.

Run as a program it is a zygote: it has everything imported, and for each line on its standard input
(the arguments of ``play`` as JSON) it forks a process that plays, and may kill itself with signal
9; the answer is a line ``{"status": wait status, "passed": boundaries}``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from sqlalchemy import event, func, select

from alerts import incidents
from alerts.notifiers.pagerduty import PagerDutyNotifier
from alerts.notifiers.protocol import Guarantee, Notifier
from alerts.notifiers.slack import SlackNotifier
from alerts.types import Delivery, Message, MessageEvent, Severity
from bench.alerts import alert
from monitor.response import people, record
from monitor.response.announce import Announcer
from monitor.response.bridge import Bridge
from monitor.response.outbox import Outbox
from monitor.services import Services, open_services
from monitor.settings.alerting import Route
from monitor.settings.schema import Service, Settings
from monitor.store.samples import MemorySamples
from monitor.store.tables import IncidentRow, OutboxRow, StateRow
from vigil.clock import ManualClock

ROUTING_KEY, TOKEN, CHANNEL = "k" * 32, "xoxb-1", "C0VIGIL0001"
STEP = "crash-story"
STEPS = 9


class Dead(BaseException):
    """The process died here; only a new one goes on."""


@dataclass
class Boundaries:
    """Counts what is passed, and dies at ``kill_at``: before and after each commit of a
    transaction, before and after each request to a receiver."""

    kill_at: int | None
    real: bool
    passed: int = 0
    dead: bool = False

    def __post_init__(self) -> None:
        self._lock = Lock()

    def pass_one(self, *_: object) -> None:
        with self._lock:
            self.passed += 1
            self.dead = self.dead or self.passed == self.kill_at
            if self.dead and self.real:
                os.kill(os.getpid(), signal.SIGKILL)
        if self.dead:
            raise Dead  # every thread of a process dies with it


class Watched:
    """A notifier between two boundaries."""

    def __init__(self, notifier: Notifier, boundaries: Boundaries) -> None:
        self._notifier, self._boundaries = notifier, boundaries
        self.name = notifier.name
        self.guarantee: Guarantee = notifier.guarantee

    def deliver(
        self, message: Message, *, thread: Mapping[str, str], unclear: bool = False
    ) -> Delivery:
        self._boundaries.pass_one()
        delivery = self._notifier.deliver(message, thread=thread, unclear=unclear)
        self._boundaries.pass_one()
        return delivery


class Life:
    """One process of the story, from whatever step the database says."""

    def __init__(
        self, database: str, standins: str, *, start: datetime, boundaries: Boundaries
    ) -> None:
        self.clock, self.boundaries = ManualClock(start), boundaries
        self.services: Services = open_services(
            Settings(
                service=Service(database=database, window_s=60.0),
                routes=(Route(receivers=("pager", "chat")),),
            ),
            clock=self.clock,
            samples=MemorySamples(),
        )
        self._pager = PagerDutyNotifier(
            "pager", routing_key=ROUTING_KEY, url=f"{standins}/pagerduty"
        )
        chat = SlackNotifier("chat", token=TOKEN, channel=CHANNEL, url=f"{standins}/slack/api/")
        notifiers: tuple[Notifier, ...] = (self._pager, chat)
        self.announcer = Announcer(self.services.settings, self.services.runbooks)
        self.bridge = Bridge(
            self.announcer, self.services.runbooks, self.services.metrics, window_s=60.0
        )
        self.outbox = Outbox(
            self.services,
            {one.name: Watched(one, boundaries) for one in notifiers},
            silent=frozenset(),
            rng=np.random.default_rng(0),
        )
        event.listen(self.services.engine, "commit", boundaries.pass_one)
        event.listen(self.services.sessions._write, "after_commit", boundaries.pass_one)

    def play(self) -> None:
        """Every step that has not been done: each commits with its number, then all is told."""
        steps: list[Callable[[Any, datetime], None]] = [
            lambda session, at: self._raise(session, "reader", at),
            lambda session, at: self._acknowledge(session, "reader", at),
            lambda session, at: self._raise(session, "sorter", at),
            lambda session, at: self._worse(session, "reader", at),
            lambda session, at: self._acknowledge(session, "sorter", at),
            lambda session, at: self._resolve(session, "reader", at),
            lambda session, at: self._raise(session, "grader", at),
            lambda session, at: self._resolve(session, "sorter", at),
            lambda session, at: self._resolve(session, "grader", at),
        ]
        while True:
            self._tell_all()
            number = self._step()
            if number == STEPS:
                return
            self.clock.advance(3.0)
            with self.services.sessions.begin() as session:
                at = self.clock.now()
                steps[number](session, at)
                done = str(number + 1).encode()
                session.merge(StateRow(name=STEP, tick_id=None, updated_at=at, blob=done))

    def close(self) -> None:
        self._pager.close()
        self.services.close()

    def _step(self) -> int:
        with self.services.sessions() as session:
            row = session.get(StateRow, STEP)
            return int(row.blob) if row else 0

    def _tell_all(self) -> None:
        """Until nothing waits; the claims of one who died run out meanwhile."""
        while True:
            self.outbox.deliver_due()
            with self.services.sessions() as session:
                waiting = session.scalar(select(func.count()).where(OutboxRow.state == "waiting"))
            if not waiting:
                return
            self.clock.advance(7.0)

    def _raise(self, session: Any, model: str, at: datetime) -> None:
        camera = sum(model.encode())  # of its own: they have nothing in common
        made = alert(model, camera, ("brightness",), at=at, onset=at, hard=False)
        self.bridge.raise_alert(session, made)

    @staticmethod
    def _number(session: Any, model: str) -> int:
        """PostgreSQL's numbers skip those of a transaction that died."""
        number = session.scalar(select(IncidentRow.id).where(IncidentRow.model == model))
        return int(number)

    def _acknowledge(self, session: Any, model: str, at: datetime) -> None:
        number = self._number(session, model)
        people.acknowledge(session, number, actor="ann", at=at, announcer=self.announcer)

    def _resolve(self, session: Any, model: str, at: datetime) -> None:
        number = self._number(session, model)
        people.resolve(session, number, actor="ann", at=at, announcer=self.announcer)

    def _worse(self, session: Any, model: str, at: datetime) -> None:
        known = record.get(session, self._number(session, model))
        moved = incidents.fired_again(
            known, at=at, findings=(), severity=Severity.CRITICAL, reason="it grew"
        )
        incident = record.save(session, moved)
        note = "it grew worse"
        self.announcer.tell(session, incident, MessageEvent.UPDATE, at=at, note=note)


def play(
    database: str, standins: str, *, start: str, kill_at: int | None, real: bool
) -> Boundaries:
    """One life: to the end, or to its death (``Dead``, or signal 9 where it is ``real``)."""
    boundaries = Boundaries(kill_at=kill_at, real=real)
    life = Life(database, standins, start=datetime.fromisoformat(start), boundaries=boundaries)
    try:
        life.play()
    finally:
        life.close()
    return boundaries


def later(start: datetime, lives: int) -> str:
    """When the next life begins: the claims of the last one have run out."""
    return (start + timedelta(seconds=300 * lives)).isoformat()


def zygote(play: Callable[..., Boundaries] = play) -> None:
    for line in sys.stdin:
        arguments = json.loads(line)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            done = play(**arguments, real=True)
            os.write(writer, str(done.passed).encode())
            os._exit(0)
        os.close(writer)
        _, status = os.waitpid(child, 0)
        passed = os.read(reader, 20).decode()
        os.close(reader)
        answer = {"status": status, "passed": int(passed or 0)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    zygote()
