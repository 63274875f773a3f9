"""The jobs of a service process. One leader runs ticks, actions and retention; all deliver."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, timedelta
from functools import partial
from threading import Lock

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.orm import Session

from monitor import leases
from monitor.labelling import quality_gauges
from monitor.marks import job as marks
from monitor.response import digest, relabel, reminders, rollback_proposal
from monitor.retention import sweep
from monitor.retraining import job as retraining
from monitor.schedule.wiring import Works
from monitor.services import Services
from monitor.serving import look
from monitor.store.database import is_away
from monitor.store.tables import OutboxRow
from monitor.watch import watch
from monitor.watch.job_log import JobLog
from vigil.clock import Clock
from vigil.errors import ConflictError

log = logging.getLogger("vigil.schedule")

LEASE_S = 8.0
SHORTEST_POLL_S = 0.1
LONGEST_POLL_S = 5.0


class Leader:
    """Whether this process holds the scheduler's lease; asked for before each job."""

    def __init__(self, services: Services, *, holder: str) -> None:
        self._services = services
        self._holder = holder
        self._lease: leases.Lease | None = None
        self._lock = Lock()

    def is_mine(self) -> bool:
        """Renews the lease once a third of it has passed; takes it where it is free."""
        with self._lock:
            now = self._services.clock.now()
            fresh = timedelta(seconds=LEASE_S * 2 / 3)
            if self._lease is not None and self._lease.expires_at - now > fresh:
                return True
            with self._services.sessions.begin() as session:
                self._lease = leases.acquire(
                    session, leases.SCHEDULER, holder=self._holder, now=now, seconds=LEASE_S
                )
            return self._lease is not None

    def check(self, session: Session) -> None:
        """Refuse to commit what another process may be doing by now.

        Raises:
            ConflictError: this process does not lead any more.
        """
        lease = self._lease
        if lease is None:
            raise ConflictError(f"lease {leases.SCHEDULER}: {self._holder} does not hold it")
        leases.check(session, lease)

    def resign(self) -> None:
        """Give the lease back at an orderly end, so that another takes over at once."""
        with self._lock:
            if self._lease is not None:
                with self._services.sessions.begin() as session:
                    leases.release(session, self._lease, now=self._services.clock.now())
                self._lease = None


def start(services: Services, works: Works, leader: Leader) -> BackgroundScheduler:
    """Start the scheduler's thread; the caller shuts it down."""
    scheduler = BackgroundScheduler(
        timezone=UTC,
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    poll = min(LONGEST_POLL_S, max(SHORTEST_POLL_S, services.settings.service.window_s / 10))

    def every(seconds: float, name: str, work: Callable[[], object], *, led: bool = True) -> None:
        works.job_log.expect(name, every_s=seconds, at=services.clock.now())
        job = _guarded(name, leader if led else None, work, works.job_log, services.clock)
        scheduler.add_job(job, "interval", seconds=seconds, id=name, name=name)

    every(poll, "fleet-tick", works.ticks.run_due)
    every(min(poll, 0.5), "deliveries", works.outbox.deliver_due, led=False)
    every(digest.EVERY_S, "digests", works.digests.run_due)
    every(watch.EVERY_S, "watch", works.watch.run_due, led=False)
    services.sessions.when_added(
        OutboxRow, lambda rows: works.outbox.kick({row.receiver for row in rows})
    )
    every(reminders.EVERY_S, "reminders", works.reminders.run_due)
    # Two jobs: a label queue may take its time, and a rollback may not wait for it.
    for job, kind in (("actions", rollback_proposal.KIND), ("label batches", relabel.KIND)):
        every(min(poll, 1.0), job, partial(works.actions.run_due, leader.check, kind=kind))
    every(min(poll, 1.0), "escalations", lambda: works.escalations.run_due(leader.check))
    every(min(poll, 2.0), "held notices", lambda: works.held.run_due(leader.check))
    every(min(poll, 2.0), "plots", works.plots.run_due)
    every(min(poll, 1.0), "controls", lambda: works.controls.run_due(leader.check))
    every(min(poll, 5.0), "canaries", lambda: works.canaries.run_due(leader.check))
    every(min(poll, 2.0), "labels", lambda: works.labels.run_due(leader.check))
    every(min(poll, 2.0), "withdrawals", lambda: works.withdrawals.run_due(leader.check))
    every(look.EVERY_S, "serving", lambda: works.serving.run_due(leader.check))
    every(marks.EVERY_S, "annotations", lambda: works.marks.run_due(leader.check))
    every(10.0, "label upkeep", lambda: works.label_upkeep.run_due(leader.check))
    every(60.0, "daily picks", lambda: works.daily_picks.run_due(leader.check))
    every(poll, "exact checks", works.exact_checks.run_due)
    every(60.0, "self-audit", works.audits.run_due)
    every(5.0, "incident reports", works.reports.run_due)
    every(retraining.EVERY_S, "retraining", lambda: works.retrainings.run_due(leader.check))
    every(quality_gauges.EVERY_S, "quality", works.quality_gauges.run_due, led=False)
    every(3600.0, "retention", lambda: _sweep(services))
    scheduler.start()
    return scheduler


def _sweep(services: Services) -> None:
    now = services.clock.now()
    sweep(services.sessions, services.samples, services.settings.retention, now=now)


def _guarded(
    name: str,
    leader: Leader | None,
    work: Callable[[], object],
    job_log: JobLog,
    clock: Clock,
) -> Callable[[], None]:
    """A job that only the leader does, where one is given, and whose failure is logged, not
    fatal."""

    def run() -> None:
        try:
            if leader is None or leader.is_mine():
                work()
            job_log.ended(name, at=clock.now())
        except Exception as error:
            job_log.ended(name, at=clock.now(), error=type(error).__name__)
            if is_away(error):
                log.warning("%s: the database is away, tried again: %s", name, type(error).__name__)
            else:
                log.exception("%s failed; tried again", name)

    return run
