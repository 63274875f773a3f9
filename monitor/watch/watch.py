"""vigil looks at itself: what is wrong becomes an incident, and while all is well it says so."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from alerts.notifiers.protocol import Notifier
from alerts.types import Incident
from monitor.response.people import Teller
from monitor.services import Services
from monitor.store import installation
from monitor.store.database import is_away
from monitor.watch.direct import DirectPage
from monitor.watch.facts import look
from monitor.watch.heartbeat import Heartbeat
from monitor.watch.job_log import JobLog
from monitor.watch.ledger import incident_of, left_alone, settle, watched_incidents
from monitor.watch.trouble import Facts, Trouble, troubles
from runbooks.library import Library

log = logging.getLogger("vigil.watch")

EVERY_S = 5.0
"""Seconds between two looks."""

LOOKS = 2
"""Trouble pages when it is seen so many times in a row."""

CALM_LOOKS = 3
"""It is over when it is not seen so many times in a row, so that what comes and goes is one."""

AWAY_AFTER_S = 60.0
"""A database that is away for so long pages directly; a restart of it does not."""


class Watch:
    """Run ``run_due`` every few seconds, in every process: they agree in the database, and while
    that is away none of them leads.

    Args:
        notifiers: whom the direct page can reach. receivers_of: who of them is told.
        jobs: what the scheduler's threads did.
    """

    def __init__(
        self,
        services: Services,
        announcer: Teller,
        library: Library,
        notifiers: Mapping[str, Notifier],
        receivers_of: Callable[[Incident, datetime], Sequence[str]],
        jobs: JobLog,
    ) -> None:
        self._services, self._announcer, self._library = services, announcer, library
        self._jobs = jobs
        self._heartbeat = Heartbeat(services.settings)
        self._direct = DirectPage(notifiers, receivers_of, base_url=services.settings.service.url)
        self._seen: Counter[str] = Counter()
        self._calm: Counter[str] = Counter()
        self._away_since: datetime | None = None

    def run_due(self) -> bool:
        """One look; True where all is well."""
        now = self._services.clock.now()
        rules = self._services.settings.heartbeat
        try:
            facts = look(self._services, self._jobs.facts())
            firing = {
                each.key: each
                for each in troubles(
                    facts,
                    ticks_late_after_s=rules.ticks_late_after_s,
                    outbox_late_after_s=rules.outbox_late_after_s,
                )
            }
            self._settle(firing, now)
            with self._services.sessions() as session:
                named = installation.of(session)
        except Exception as error:
            if not is_away(error):
                raise
            self._away(error, now)
            return False
        self._away_since = None
        self._direct.end(at=now)
        self._export(facts, len(firing))
        if firing:
            return False
        self._heartbeat.beat_due(now, installation=named, started_at=self._services.started_at)
        return True

    def _export(self, facts: Facts, troubled: int) -> None:
        metrics, receivers = self._services.metrics, facts.receivers
        metrics.gauge("vigil_troubles", float(troubled))
        metrics.gauge("vigil_outbox_dead", float(sum(one.dead for one in receivers.values())))
        for name, one in receivers.items():
            metrics.gauge("vigil_receiver_down", float(one.down_since is not None), receiver=name)

    def _settle(self, firing: Mapping[str, Trouble], now: datetime) -> None:
        self._seen = Counter({key: self._seen[key] + 1 for key in firing})
        lasting = {key: each for key, each in firing.items() if self._seen[key] >= LOOKS}
        with self._services.sessions() as session:
            known = [*watched_incidents(session), *left_alone(session, firing)]
        over = self._over(firing, known)
        fresh = lasting.keys() - {incident.labels.get("check") for incident in known}
        if fresh or over:
            with self._services.sessions.begin() as session:
                settle(
                    session,
                    {key: lasting[key] for key in sorted(fresh)},
                    over,
                    self._announcer,
                    self._library,
                    at=now,
                )

    def _over(self, firing: Mapping[str, Trouble], known: Sequence[Incident]) -> list[Incident]:
        calm = {
            key: incident
            for incident in known
            if (key := incident.labels.get("check", "")) not in firing
        }
        self._calm = Counter({key: self._calm[key] + 1 for key in calm})
        return [incident for key, incident in calm.items() if self._calm[key] >= CALM_LOOKS]

    def _away(self, error: Exception, now: datetime) -> None:
        self._away_since = self._away_since or now
        if now - self._away_since < timedelta(seconds=AWAY_AFTER_S):
            return
        trouble = Trouble(
            key="database-away",
            title="vigil's database is away: nothing is judged, and nobody is paged of faults",
            reasons=(
                f"it can't be reached since {self._away_since:%Y-%m-%d %H:%M} UTC "
                f"({type(error).__name__})",
            ),
            since=self._away_since,
        )
        incident = incident_of(trouble, self._library, now)
        todo = self._library.for_alert(trouble.kind.value).first_step
        self._direct.fire(incident, todo, at=now)

    def close(self) -> None:
        self._heartbeat.close()
