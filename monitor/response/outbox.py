"""Delivers what is in the outbox: at least once, in order per incident and receiver.

Each receiver has a lane of its own, so that a slow one holds up no other. An attempt is written
down before it is made. If the process dies in the middle, the next attempt
knows that the first may have arrived, and the notifier looks before it repeats. Every process of a
service delivers: claims in the database see to it that each message has one at a time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Lock

import numpy as np
from sqlalchemy import select

from alerts.delivery import OutboxState
from alerts.notifiers.protocol import Closable, Notifier
from alerts.types import Delivery, DeliveryOutcome, Message
from monitor.response import outbox_health as health
from monitor.response import outbox_summary
from monitor.response.outbox_claim import CLAIM_S, Claim, claim
from monitor.response.outbox_second import SecondPath
from monitor.response.outbox_settle import Settler, our_fault
from monitor.services import Services
from monitor.store import overview
from monitor.store.tables import OutboxRow

__all__ = ["CLAIM_S", "Outbox"]

log = logging.getLogger("vigil.outbox")

PATIENCE_S = 2.0
"""``deliver_due`` waits so long for its lanes; what is slower goes on without it."""

LANE_S = 10.0
"""A lane begins no attempt after so long, so that a service that ends need not wait for more."""

MOST = 50
"""So many attempts are one lane's."""

CRASHES = 5
"""A message that makes its notifier fail so often is dead: the fault is ours, and will not pass."""


class Outbox:
    """Delivers messages through notifiers by receiver name.

    ``silent`` receivers wake nobody: an incident is paged when another one has it.
    """

    def __init__(
        self,
        services: Services,
        notifiers: Mapping[str, Notifier],
        *,
        silent: frozenset[str],
        rng: np.random.Generator,
    ) -> None:
        self._services = services
        self._notifiers = notifiers
        self._settler = Settler(services, silent=silent, rng=rng)
        self._second = SecondPath(services)
        self._lock = Lock()
        self._lanes: dict[str, Future[int]] = {}
        self._ended: list[Future[int]] = []
        self._again: set[str] = set()
        self._closed = False
        self._threads = ThreadPoolExecutor(len(notifiers) + 1, thread_name_prefix="vigil-deliver")

    def deliver_due(self, *, most: int | None = None) -> int:
        """Attempt what is due, at most ``most`` (50) messages to each receiver.

        Returns the number of attempts of the lanes that ended, be they of an earlier call.
        """
        self._second.run_due()
        self._close_summaries()
        self._begin(self._due(), most or MOST)
        with self._lock:
            running = list(self._lanes.values())
        wait(running, timeout=PATIENCE_S)
        with self._lock:
            ended, self._ended = self._ended, []
        self._export()
        return sum(lane.result() for lane in ended)

    def kick(self, receivers: Iterable[str]) -> None:
        """Messages for these have just been committed: deliver them now, not at the next poll."""
        self._begin(receivers, MOST, again=True)

    def close(self) -> None:
        """Begin no further attempt, wait for those that run, and close what the receivers hold
        open. What waits goes with the next start, or from another process."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True)
        for notifier in self._notifiers.values():
            if isinstance(notifier, Closable):
                notifier.close()

    def _begin(self, receivers: Iterable[str], most: int, *, again: bool = False) -> None:
        with self._lock:
            for receiver in () if self._closed else receivers:
                if receiver not in self._lanes:
                    lane = self._threads.submit(self._lane, receiver, most)
                    self._lanes[receiver] = lane
                elif again:
                    self._again.add(receiver)

    def _due(self) -> list[str]:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            waiting = select(OutboxRow.receiver).where(
                OutboxRow.state == OutboxState.WAITING.value, OutboxRow.next_attempt_at <= now
            )
            names = sorted(session.scalars(waiting.distinct()))
            fares = health.all_of(session) if names else {}
        return [name for name in names if health.health_of(fares.get(name)).gate(now).lets_pass]

    def _lane(self, receiver: str, most: int) -> int:
        attempts, ends = 0, time.monotonic() + LANE_S
        try:
            while True:
                while attempts < most and time.monotonic() < ends and not self._closed:
                    if not self._one(receiver):
                        break
                    attempts += 1
                with self._lock:
                    wanted = receiver in self._again and not self._closed
                    if not wanted or attempts >= most or time.monotonic() >= ends:
                        self._end(receiver)
                        break
                    self._again.discard(receiver)
            if wanted:  # this lane is over, and there is something new
                self._begin([receiver], most)
            return attempts
        except BaseException:
            with self._lock:
                self._end(receiver)
            raise

    def _end(self, receiver: str) -> None:
        self._again.discard(receiver)
        lane = self._lanes.pop(receiver, None)
        if lane is not None:
            self._ended.append(lane)

    def _one(self, receiver: str) -> bool:
        """Attempt the next message; False where none may go now."""
        known = self._services.settings.receivers.get(receiver)
        with self._services.sessions.begin() as session:
            taken = claim(
                session,
                receiver,
                now=self._services.clock.now(),
                per_minute=known.per_minute if known else None,
                base_url=self._services.settings.service.url,
            )
        if taken is None:
            return False
        notifier, message = self._notifiers.get(receiver), self._message(taken)
        if notifier is None:
            refused = our_fault(f"receiver {receiver} is no longer configured")
            self._settler.settle(taken, refused, counts=False)
        elif isinstance(message, Delivery):
            self._settler.settle(taken, message, counts=False)
        else:
            delivery, crashed = self._attempt(notifier, message, taken)
            self._settler.settle(taken, delivery, counts=not crashed)
        return True

    def _message(self, taken: Claim) -> Message | Delivery:
        """What to send; a delivery that failed where it can't be read, now or ever."""
        try:
            with self._services.sessions() as session:
                query = select(OutboxRow.message).where(OutboxRow.id == taken.row_id)
                return Message.from_json(session.scalars(query).one())
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.exception("message %d can't be read", taken.row_id)
            return our_fault(f"the stored message is damaged ({type(error).__name__})")

    @staticmethod
    def _attempt(notifier: Notifier, message: Message, taken: Claim) -> tuple[Delivery, bool]:
        """What came of it, and whether the notifier itself failed."""
        try:
            made = notifier.deliver(message, thread=taken.thread, unclear=taken.unclear)
            return made, False
        except Exception as error:  # a notifier must not stop the others
            log.exception("receiver %s failed", notifier.name)
            text = f"unexpected {type(error).__name__}"
            if taken.attempt >= CRASHES:
                return our_fault(f"{text}, {taken.attempt} times"), True
            return Delivery(outcome=DeliveryOutcome.UNCLEAR, error=text), True

    def _close_summaries(self) -> None:
        now = self._services.clock.now()
        with self._services.sessions() as session:
            over = outbox_summary.finished(session, now=now)
        for number in over:
            with self._services.sessions.begin() as session:
                outbox_summary.close(session, number, now=now)

    def _export(self) -> None:
        with self._services.sessions() as session:
            waiting = overview.outbox_waiting(session)
        self._services.metrics.gauge("vigil_outbox_waiting", float(waiting))
