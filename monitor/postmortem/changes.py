"""What changed before an incident began: releases, baselines, sources, and what people did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import Incident
from dashboards.console.readmodels.postmortem import ChangeLine
from monitor.store.tables import AuditRow, BaselineRow, ReleaseRow, SourceRow, WindowRow

MOST = 40
_PEOPLE = ("incident", "runbook", "corrective", "action approved")


def changes_before(
    session: Session, incident: Incident, *, since: datetime, until: datetime
) -> tuple[ChangeLine, ...]:
    """Everything known that changed in [since, until], the latest first; at most ``MOST``.

    A source that restarted counts: software, drivers and hardware change with a restart.
    """
    found = [
        *_releases(session, incident, since, until),
        *_baselines(session, incident, since, until),
        *_sources(session, incident, since, until),
        *_restarts(session, incident, since, until),
        *_people(session, since, until),
    ]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True)[:MOST])


def _releases(
    session: Session, incident: Incident, since: datetime, until: datetime
) -> Iterator[ChangeLine]:
    rows = session.scalars(
        select(ReleaseRow).where(
            ReleaseRow.model == incident.model,
            ReleaseRow.deployment == incident.deployment,
            ReleaseRow.started_at >= since,
            ReleaseRow.started_at <= until,
        )
    )
    for row in rows:
        after = f" after {row.previous}" if row.previous else ""
        who = f" by {row.actor}" if row.actor else ""
        note = f": {row.note}" if row.note else ""
        text = f"{row.version} released{after}{who} ({row.origin}){note}"
        yield ChangeLine(at=row.started_at, kind="release", text=text)


def _baselines(
    session: Session, incident: Incident, since: datetime, until: datetime
) -> Iterator[ChangeLine]:
    rows = session.scalars(
        select(BaselineRow).where(
            BaselineRow.model == incident.model,
            BaselineRow.created_at >= since,
            BaselineRow.created_at <= until,
        )
    )
    for row in rows:
        text = f"Baseline of {row.version} from {row.dataset} ({row.records} records)"
        yield ChangeLine(at=row.created_at, kind="baseline", text=text)


def _sources(
    session: Session, incident: Incident, since: datetime, until: datetime
) -> Iterator[ChangeLine]:
    rows = session.scalars(
        select(SourceRow).where(
            SourceRow.model == incident.model,
            SourceRow.deployment == incident.deployment,
            SourceRow.first_seen_at >= since,
            SourceRow.first_seen_at <= until,
        )
    )
    for row in rows:
        yield ChangeLine(at=row.first_seen_at, kind="source", text=f"Source {row.source} is new")


def _restarts(
    session: Session, incident: Incident, since: datetime, until: datetime
) -> Iterator[ChangeLine]:
    began = func.min(WindowRow.start_at)
    boots = session.execute(
        select(WindowRow.source, WindowRow.boot, began)
        .where(
            WindowRow.model == incident.model,
            WindowRow.deployment == incident.deployment,
            WindowRow.origin == "live",
            WindowRow.sequence == 0,
            WindowRow.start_at >= since,
            WindowRow.start_at <= until,
        )
        .group_by(WindowRow.source, WindowRow.boot)
    ).all()
    for source, _, at in boots:
        yield ChangeLine(at=at, kind="source", text=f"Source {source} started anew")


def _people(session: Session, since: datetime, until: datetime) -> Iterator[ChangeLine]:
    rows = session.scalars(
        select(AuditRow)
        .where(AuditRow.at >= since, AuditRow.at <= until)
        .order_by(AuditRow.at.desc())
        .limit(MOST)
    )
    for row in rows:
        if not row.what.startswith(_PEOPLE):
            text = f"{row.what}: {row.subject}, by {row.actor}"
            yield ChangeLine(at=row.at, kind="configuration", text=text)
