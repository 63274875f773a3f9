"""The latest self-audit in the database: one row of JSON, for the console and the metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.store.database import insert
from monitor.store.tables import StateRow
from vigil.types import utc

NAME = "self-audit"
LONGEST = timedelta(hours=6)
"""An audit that began longer ago than this, and left no word, has died."""

RETRY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """``report``: the last one that succeeded. ``error``: why the newest attempt failed; empty
    where it did not. ``began_s`` and ``ended_s``: the newest attempt."""

    report: Mapping[str, Any] | None = None
    error: str = ""
    began_s: float | None = None
    ended_s: float | None = None


def load(session: Session) -> Kept:
    """What is kept; nothing where no audit ever ran, or the row can't be read."""
    blob = session.scalar(select(StateRow.blob).where(StateRow.name == NAME))
    try:
        found = json.loads(blob) if blob is not None else {}
        return Kept(
            report=found.get("report"),
            error=str(found.get("error") or ""),
            began_s=found.get("began_s"),
            ended_s=found.get("ended_s"),
        )
    except (ValueError, AttributeError):
        return Kept()


def began(session: Session, *, at: datetime) -> None:
    """An attempt begins; what was found before stays."""
    old = load(session)
    _save(session, Kept(report=old.report, error=old.error, began_s=at.timestamp()), at)


def succeeded(session: Session, report: Mapping[str, Any], *, at: datetime) -> None:
    old = load(session)
    now = at.timestamp()
    _save(session, Kept(report=report, began_s=old.began_s or now, ended_s=now), at)


def failed(session: Session, error: str, *, at: datetime) -> None:
    """The attempt came to nothing; the last good report stays."""
    old = load(session)
    now = at.timestamp()
    kept = Kept(report=old.report, error=error, began_s=old.began_s or now, ended_s=now)
    _save(session, kept, at)


def is_due(kept: Kept, *, every_days: float, now: datetime) -> bool:
    """Whether to audit now. After a failure, e.g. too little history, tried again within a day."""
    if every_days <= 0:
        return False
    if kept.ended_s is None:
        return kept.began_s is None or now - utc(kept.began_s) > LONGEST
    every = timedelta(days=every_days)
    return now - utc(kept.ended_s) >= (min(every, RETRY) if kept.error else every)


def _save(session: Session, kept: Kept, at: datetime) -> None:
    document = {
        "report": kept.report,
        "error": kept.error,
        "began_s": kept.began_s,
        "ended_s": kept.ended_s,
    }
    values = {"tick_id": None, "updated_at": at, "blob": json.dumps(document).encode()}
    statement = insert(session, StateRow).values(name=NAME, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))
