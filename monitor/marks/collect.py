"""What is to be drawn: read from releases and incidents, so that nothing has to be told twice.

Each mark has a key of its own. A mark that reads otherwise than it was sent waits to be sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.tables import IncidentRow, MarkRow, ReleaseRow

BACK_DAYS = 7.0
"""Older releases and incidents are not drawn any more."""

MOST = 500
WAITING, SENT, DEAD = "waiting", "sent", "dead"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A moment, or a time that ends at ``until``."""

    key: str
    at: datetime
    until: datetime | None
    text: str
    tags: tuple[str, ...]


def collect(session: Session, *, installation: str, base_url: str, at: datetime) -> int:
    """Note what is new or has changed; returns how many marks wait for that."""
    since = at - timedelta(days=BACK_DAYS)
    changed = 0
    for mark in (*_releases(session, since), *_incidents(session, since, base_url)):
        tags = ["vigil", *mark.tags, tag_of(installation, mark.key)]
        values = {
            "at": mark.at,
            "until": mark.until,
            "text": mark.text,
            "tags": tags,
            "state": WAITING,
            "attempts": 0,
            "next_attempt_at": at,
            "problem": "",
        }
        row = session.scalar(select(MarkRow).where(MarkRow.key == mark.key))
        if row is None:
            # Another process may write it at this moment: one of them does.
            fresh = {"key": mark.key, **values}
            session.execute(insert(session, MarkRow).values(fresh).on_conflict_do_nothing())
            changed += 1
        elif (row.at, row.until, row.text, row.tags) != (mark.at, mark.until, mark.text, tags):
            _change(row, values)
            changed += 1
    session.flush()
    return changed


def _change(row: MarkRow, values: dict[str, Any]) -> None:
    """One that may be on its way keeps its claim, and that it was tried."""
    if row.remote_id is None:
        values = {**values, "attempts": row.attempts}
    if row.state == WAITING:
        later = max(row.next_attempt_at, values["next_attempt_at"])
        values = {**values, "next_attempt_at": later}
    for name, value in values.items():
        setattr(row, name, value)


def tag_of(installation: str, key: str) -> str:
    """By which a mark is found again, whoever else draws there."""
    return f"vigil-{installation}-{key}"


def _releases(session: Session, since: datetime) -> Iterator[Mark]:
    rows = session.scalars(
        select(ReleaseRow)
        .where(ReleaseRow.started_at > since)
        .order_by(ReleaseRow.id.desc())
        .limit(MOST)
    )
    for row in rows:
        back = row.origin == "rollback"
        after = f" after {row.previous}" if row.previous else ""
        share = "" if row.share >= 1.0 else f", {row.share:.0%} of the traffic"
        by = f", {row.actor}" if row.actor else ""
        how = "rolled back to" if back else "release"
        yield Mark(
            key=f"release-{row.id}",
            at=row.started_at,
            until=None,
            text=f"{row.model} in {row.deployment}: {how} {row.version}{after}{share} "
            f"({row.origin}{by})",
            tags=("rollback" if back else "release", *_family(row.model, row.deployment)),
        )


def _incidents(session: Session, since: datetime, base_url: str) -> Iterator[Mark]:
    """A region each, from the onset; while one is open, only its beginning is drawn."""
    rows = session.scalars(
        select(IncidentRow)
        .where((IncidentRow.detected_at > since) | (IncidentRow.resolved_at > since))
        .order_by(IncidentRow.id.desc())
        .limit(MOST)
    )
    for row in rows:
        link = f"{base_url.rstrip('/')}/incidents/{row.id}"
        yield Mark(
            key=f"incident-{row.id}",
            at=min(row.onset_at or row.detected_at, row.detected_at),
            until=row.resolved_at,
            text=f"Incident {row.id}: {row.title} ({row.cause}) {link}",
            tags=("incident", row.kind, *_family(row.model, row.deployment)),
        )


def _family(model: str, deployment: str) -> tuple[str, str]:
    return f"model:{model}", f"deployment:{deployment}"
