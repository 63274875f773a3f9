"""A release as a change event, for receivers that keep a log of changes beside their incidents."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.labels import labels_of
from alerts.routing.tree import choose
from alerts.text import compose
from alerts.types import AlertKind, Incident, MessageEvent, Severity
from monitor.response.rules import rules_of
from monitor.settings.receivers import PagerDutyReceiver
from monitor.settings.schema import Settings
from monitor.store import installation
from monitor.store.tables import OutboxRow, ReleaseRow
from vigil.types import WHOLE, Cause


def queue(session: Session, settings: Settings, row: ReleaseRow, *, at: datetime) -> None:
    """One message to each pager that would be told of a bad release of this model."""
    session.flush()
    watched = settings.model(row.model, row.deployment)
    subject = _subject(row, owner=watched.owner if watched else "", at=at)
    decided = choose(rules_of(settings).routes, labels_of(subject), at=at)
    installed = installation.of(session)
    for name in decided.receivers:
        if not isinstance(settings.receivers.get(name), PagerDutyReceiver):
            continue
        key = f"vigil-{installed}-release-{row.id}-{name}"
        if session.scalar(select(OutboxRow.id).where(OutboxRow.dedup_key == key)):
            continue
        message = compose(
            subject,
            event=MessageEvent.UPDATE,
            id=key,
            now=at,
            base_url=settings.service.url,
            change=f"{subject.title}.",
            installation=installed,
        )
        session.add(
            OutboxRow(
                dedup_key=key,
                receiver=name,
                incident_id=None,
                event=MessageEvent.UPDATE.value,
                message=replace(message, key=key).to_json(),
                state="waiting",
                created_at=at,
                next_attempt_at=at,
                reason="a release, for the log of changes",
            )
        )


def _subject(row: ReleaseRow, *, owner: str, at: datetime) -> Incident:
    """Not an incident: what one of this release would be, so that routes can tell who minds."""
    before = f", after {row.previous}" if row.previous else ""
    return Incident(
        id=0,
        group_key="",
        fingerprint="",
        kind=AlertKind.MODEL_REGRESSION,
        cause=Cause.MODEL_REGRESSION,
        severity=Severity.CRITICAL,
        model=row.model,
        model_version=row.version,
        deployment=row.deployment,
        slice=WHOLE,
        title=f"{row.model} {row.version} was released in {row.deployment}{before}",
        detected_at=at,
        last_firing_at=at,
        labels={"owner": owner},
    )
