"""Counts for status pages and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from monitor.store.tables import (
    BaselineRow,
    IncidentRow,
    OutboxRow,
    RejectionRow,
    SourceRow,
    TickRow,
    WindowRow,
)

_RESOLVED, _WAITING, _ACTIVE = "resolved", "waiting", "active"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSeen:
    """One model in one deployment, as its sources show it."""

    model: str
    deployment: str
    version: str
    last_window_at: datetime
    sources: int
    verified: bool


def last_tick_end(session: Session) -> datetime | None:
    """End of the newest window of time that was judged; None: no tick ever ran."""
    return session.scalar(select(func.max(TickRow.end_at)))


def windows_waiting(session: Session) -> int:
    """Live windows that no tick has counted."""
    query = select(func.count()).where(WindowRow.judged_by.is_(None), WindowRow.origin == "live")
    return session.scalar(query) or 0


def outbox_waiting(session: Session) -> int:
    """Messages that wait for delivery."""
    return session.scalar(select(func.count()).where(OutboxRow.state == _WAITING)) or 0


def open_incidents(session: Session) -> dict[tuple[str, ...], float]:
    """How many incidents are not resolved, by model, deployment and severity."""
    rows = session.execute(
        select(
            IncidentRow.model,
            IncidentRow.deployment,
            IncidentRow.severity,
            func.count(),
        )
        .where(IncidentRow.state != _RESOLVED)
        .group_by(IncidentRow.model, IncidentRow.deployment, IncidentRow.severity)
    )
    return {(model, deployment, severity): n for model, deployment, severity, n in rows}


def live_sources(session: Session) -> Sequence[SourceRow]:
    """Sources that were not retired."""
    query = select(SourceRow).where(SourceRow.retired.is_(False))
    return session.scalars(
        query.order_by(SourceRow.model, SourceRow.deployment, SourceRow.source)
    ).all()


def models_seen(session: Session) -> list[ModelSeen]:
    """Models with live sources; the version is that of the source heard last."""
    judged = {
        (model, version)
        for model, version in session.execute(
            select(BaselineRow.model, BaselineRow.version).where(BaselineRow.state == _ACTIVE)
        )
    }
    groups: dict[tuple[str, str], list[SourceRow]] = {}
    for row in live_sources(session):
        groups.setdefault((row.model, row.deployment), []).append(row)
    found = []
    for (model, deployment), rows in groups.items():
        newest = max(rows, key=lambda row: row.last_window_at)
        found.append(
            ModelSeen(
                model=model,
                deployment=deployment,
                version=newest.version,
                last_window_at=newest.last_window_at,
                sources=len(rows),
                verified=(model, newest.version) in judged,
            )
        )
    return found


def rejections_since(session: Session, since: datetime) -> Sequence[RejectionRow]:
    """What was refused in the hours from ``since`` on, newest first."""
    query = select(RejectionRow).where(RejectionRow.hour >= since)
    return session.scalars(
        query.order_by(RejectionRow.hour.desc(), RejectionRow.count.desc()).limit(200)
    ).all()
