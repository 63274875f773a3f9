"""The scheduled self-audit: starts the worker when it is due, and exports what is known."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from monitor.audit import kept
from monitor.audit.kept import Kept
from monitor.audit.realised import realised
from monitor.audit.report import Realised
from monitor.audit.worker import Worker
from monitor.metrics import Metrics
from monitor.services import Services
from monitor.settings.schema import Settings

log = logging.getLogger("vigil.audit")

FIRST_AFTER = timedelta(minutes=10)
"""A service that has just come up has other things to do."""


class SelfAudits:
    """Runs audits, one at a time, for the process that leads."""

    def __init__(self, services: Services, *, start: Callable[[Settings], Worker] = Worker) -> None:
        self._services, self._start = services, start
        self._worker: Worker | None = None

    def run_due(self) -> bool:
        """Look after the running audit, start one that is due, export; True: one was started."""
        services, now = self._services, self._services.clock.now()
        self._look_after()
        with services.sessions() as session:
            known = kept.load(session)
            so_far = realised(session, services.settings.budget, now=now)
        export(services.metrics, known, so_far)
        every = services.settings.audit.every_days
        if (
            self._worker is not None
            or now - services.started_at < FIRST_AFTER
            or not kept.is_due(known, every_days=every, now=now)
        ):
            return False
        with services.sessions.begin() as session:
            kept.began(session, at=now)
        self._worker = self._start(services.settings)
        return True

    def stop(self) -> None:
        """The service ends: an audit that runs is begun anew by the next one."""
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def _look_after(self) -> None:
        worker = self._worker
        if worker is None:
            return
        with self._services.sessions() as session:
            known = kept.load(session)
        late = known.began_s is not None and (
            self._services.clock.now().timestamp() - known.began_s > kept.LONGEST.total_seconds()
        )
        if not worker.ended() and not late:
            return
        trouble = worker.trouble if worker.ended() else "the audit took too long and was stopped"
        worker.stop()
        self._worker = None
        if trouble:
            log.warning("self-audit: %s", trouble)
            with self._services.sessions.begin() as session:
                kept.failed(session, trouble, at=self._services.clock.now())


def export(metrics: Metrics, known: Kept, so_far: Realised) -> None:
    """Set the gauges. Those of the audit appear with the first report."""
    metrics.gauge("vigil_false_pages_30d", so_far.false_pages)
    metrics.gauge("vigil_false_pages_budget_30d", so_far.budget_pages)
    report = known.report
    if report is None:
        return
    metrics.gauge("vigil_audit_pages", report["pages"])
    metrics.gauge("vigil_audit_budget_pages", report["budget_pages"])
    metrics.gauge("vigil_audit_realised_rate", report["rate"])
    metrics.gauge("vigil_audit_leaking_streams", sum(one["leaking"] for one in report["kinds"]))
    if known.ended_s is not None:
        metrics.gauge("vigil_audit_timestamp_seconds", known.ended_s)
