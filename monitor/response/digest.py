"""Queues the daily digest: once a day for each receiver, whoever does it, over restarts."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.delivery import OutboxState
from alerts.digest import Abstaining, DigestFacts, digest, due_at
from alerts.types import AlertKind, Incident
from monitor.checks import coverage
from monitor.response import outbox_health as health
from monitor.response import silences
from monitor.response.restless import restless
from monitor.services import Services
from monitor.store import installation, overview
from monitor.store.tables import IncidentRow, OutboxRow, TimelineRow

EVERY_S = 60.0
DIGEST = "digest"
"""The event of the outbox row of a digest."""

_DAY = timedelta(days=1)


class Digests:
    """The receivers, the time of day and its zone come from the settings."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._rules = services.settings.digest

    def run_due(self) -> int:
        """Queue what is due; returns how many digests.

        The first one comes at the first time that passes while vigil knows the receiver.
        """
        now, rules = self._services.clock.now(), self._rules
        if not rules.receivers:
            return 0
        due = due_at(now, at=rules.at, time_zone=rules.time_zone)
        with self._services.sessions() as session:
            last = {name: row.digest_at for name, row in health.all_of(session).items()}
        queued = 0
        for receiver in rules.receivers:
            at = last.get(receiver)
            if at is None or at < due:
                queued += self._digest(receiver, at, due, now)
        return queued

    def _digest(self, receiver: str, before: datetime | None, due: datetime, now: datetime) -> int:
        """The day is read first: nobody who writes waits for that."""
        since = max(before or due - _DAY, due - 7 * _DAY)
        facts = None
        if before is not None or due >= self._services.started_at:
            with self._services.sessions() as session:
                facts = facts_of(session, self._services, since=since, until=due)
        with self._services.sessions.begin() as session:
            row = health.locked(session, receiver)
            if row.digest_at != before:
                return 0  # another process was first
            row.digest_at = due
            return 0 if facts is None else self._queue(session, receiver, facts, due, now)

    def _queue(
        self, session: Session, receiver: str, facts: DigestFacts, due: datetime, now: datetime
    ) -> int:
        installed = installation.of(session)
        name = f"vigil-{installed}-digest-{due:%Y-%m-%dT%H%M}-{receiver}"
        message = digest(
            facts,
            id=name,
            base_url=self._services.settings.service.url,
            installation=installed,
            time_zone=self._rules.time_zone,
        )
        session.add(
            OutboxRow(
                dedup_key=name,
                receiver=receiver,
                event=DIGEST,
                message=message.to_json(),
                state=OutboxState.WAITING.value,
                created_at=now,
                next_attempt_at=now,
                reason="daily digest",
            )
        )
        session.flush()
        return 1


def facts_of(
    session: Session, services: Services, *, since: datetime, until: datetime
) -> DigestFacts:
    """What did not page between two moments, and what vigil can't judge now."""
    rows = session.scalars(
        select(IncidentRow)
        .where(
            IncidentRow.detected_at <= until,
            (IncidentRow.detected_at > since) | (IncidentRow.state != "resolved"),
        )
        .order_by(IncidentRow.id)
    )
    found = [Incident.from_columns(row) for row in rows]
    tickets = [one for one in found if one.kind is AlertKind.BASELINE_DRIFT]
    unpaged = [
        one for one in found if one.kind is not AlertKind.BASELINE_DRIFT and one.paged_at is None
    ]
    settings = services.settings
    return DigestFacts(
        since=since,
        until=until,
        tickets=tickets,
        unpaged=[(one, _why(session, one.id)) for one in unpaged],
        restless=restless(
            session,
            since=since,
            until=until,
            threshold=settings.threshold_ticks,
            share=settings.digest.false_discoveries,
        ),
        false_discoveries=settings.digest.false_discoveries,
        silences=[f"S-{one.silence.id} {one.text}" for one in silences.to_look_at(session, until)],
        abstaining=list(_abstaining(session)),
        paged=sum(one.paged_at is not None and since < one.paged_at <= until for one in found),
        summarised=_messages(session, OutboxState.SUMMARISED, since, until),
        dead=_messages(session, OutboxState.DEAD, since, until),
    )


def _why(session: Session, incident_id: int) -> str:
    """The last decision of the pipeline that its timeline holds."""
    text = session.scalar(
        select(TimelineRow.text)
        .where(TimelineRow.incident_id == incident_id, TimelineRow.kind == "decision")
        .order_by(TimelineRow.id.desc())
        .limit(1)
    )
    return text or ""


def _abstaining(session: Session) -> list[Abstaining]:
    found = []
    for seen in overview.models_seen(session):
        streams = coverage.read(session, seen.model, seen.deployment)
        silent = sum(one.smallest is None for one in streams)
        if silent:
            found.append(
                Abstaining(
                    model=seen.model, deployment=seen.deployment, streams=silent, of=len(streams)
                )
            )
    return found


def _messages(session: Session, state: OutboxState, since: datetime, until: datetime) -> int:
    query = select(func.count()).where(
        OutboxRow.state == state.value, OutboxRow.created_at > since, OutboxRow.created_at <= until
    )
    return session.scalar(query) or 0
