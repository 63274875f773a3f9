"""Attaches a report to each incident, where the extra ``reports`` is installed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec

from sqlalchemy import select

from alerts.types import AlertKind
from monitor.reports import kept
from monitor.reports.kept import Kept
from monitor.reports.process import Process
from monitor.services import Services
from monitor.settings.schema import Settings
from monitor.store.tables import IncidentRow

log = logging.getLogger("vigil.reports")

LIMIT = timedelta(minutes=5)
RETRY = timedelta(minutes=10)
MOST_ATTEMPTS = 3
NEWEST = timedelta(days=1)
"""Older incidents get none by themselves: ``vigil incidents report`` makes it."""
_WITHOUT_RECORDS = [kind.value for kind in AlertKind if kind.is_watched]
"""These are about no record: there is nothing to draw."""

WAIT_WINDOWS = 2
"""Windows after the detection: until then hardly a sampled record of the fault has come."""


def installed() -> bool:
    """Whether Evidently is there; looked up, not imported."""
    return find_spec("evidently") is not None


class IncidentReports:
    """Draws reports one at a time, in a process of its own, for the process that leads."""

    def __init__(
        self,
        services: Services,
        *,
        start: Callable[[Settings, int], Process] = Process,
        available: Callable[[], bool] = installed,
    ) -> None:
        self._services, self._start, self._available = services, start, available
        self._running: tuple[int, Process] | None = None

    def run_due(self) -> bool:
        """Look after the running report, then start the next one; True: one was started."""
        self._look_after()
        if self._running is not None or not self._available():
            return False
        services, now = self._services, self._services.clock.now()
        wait = timedelta(seconds=WAIT_WINDOWS * services.settings.service.window_s)
        with services.sessions.begin() as session:
            known = kept.load(session)
            gone = self._drop_gone(set(session.scalars(select(IncidentRow.id))), known)
            ids = session.scalars(
                select(IncidentRow.id)
                .where(
                    IncidentRow.detected_at > now - NEWEST,
                    IncidentRow.detected_at <= now - wait,
                    IncidentRow.kind.not_in(_WITHOUT_RECORDS),
                )
                .order_by(IncidentRow.id.desc())
            )
            number = next((one for one in ids if _is_due(known.get(one), now)), None)
            if number is not None:
                old = known.get(number, Kept())
                known[number] = Kept(attempts=old.attempts + 1, began_s=now.timestamp())
            if number is not None or gone:
                kept.save(session, known, at=now)
        if number is None:
            return False
        self._running = number, self._start(services.settings, number)
        return True

    def stop(self) -> None:
        """The service ends: a report that is being drawn is begun anew later."""
        if self._running is not None:
            self._running[1].stop()
            self._running = None

    def _look_after(self) -> None:
        if self._running is None:
            return
        services, now = self._services, self._services.clock.now()
        number, process = self._running
        with services.sessions() as session:
            known = kept.load(session)
        one = known.get(number, Kept(began_s=now.timestamp()))
        ended = process.ended()
        if not ended and now.timestamp() - one.began_s <= LIMIT.total_seconds():
            return
        late = f"it took more than {LIMIT.total_seconds():.0f} s and was stopped"
        size, error = process.result if ended else (0, late)
        process.stop()
        self._running = None
        if error:
            log.warning("report of incident %d: %s", number, error)
        known[number] = replace(one, ended_s=now.timestamp(), size=size, error=error)
        with services.sessions.begin() as session:
            kept.save(session, known, at=now)

    def _drop_gone(self, present: set[int], known: dict[int, Kept]) -> bool:
        """A report goes with its incident, when retention deletes that."""
        gone = [one for one in known if one not in present]
        for number in gone:
            self._services.samples.delete(kept.part_of(number))
            del known[number]
        return bool(gone)


def _is_due(one: Kept | None, now: datetime) -> bool:
    if one is None:
        return True
    if one.is_made or one.attempts >= MOST_ATTEMPTS:
        return False
    since = one.began_s if one.ended_s is None else one.ended_s
    return now.timestamp() - since >= RETRY.total_seconds()
