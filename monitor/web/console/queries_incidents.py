"""Incidents as lines of a list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dashboards.console.readmodels import IncidentLine
from monitor.store.tables import ActionRow, IncidentRow

RESOLVED = "resolved"
PAGE = 50
_RANK = {"critical": 0, "error": 1, "warning": 2, "info": 3}


def count_open(session: Session) -> int:
    query = select(func.count()).select_from(IncidentRow).where(IncidentRow.state != RESOLVED)
    return session.scalar(query) or 0


def open_lines(session: Session) -> tuple[IncidentLine, ...]:
    """Open incidents, the worst first, then the newest."""
    rows = session.scalars(select(IncidentRow).where(IncidentRow.state != RESOLVED)).all()
    ranked = sorted(rows, key=lambda r: (_RANK.get(r.severity, 9), -r.detected_at.timestamp()))
    return lines_of(session, ranked)


def lines(session: Session, state: str, page: int) -> tuple[tuple[IncidentLine, ...], bool]:
    """One page of incidents, newest first, and whether there are more.

    ``state``: ``open``, ``resolved``, anything else for all.
    """
    query = select(IncidentRow)
    if state == "open":
        query = query.where(IncidentRow.state != RESOLVED)
    elif state == RESOLVED:
        query = query.where(IncidentRow.state == RESOLVED)
    query = query.order_by(IncidentRow.detected_at.desc(), IncidentRow.id.desc())
    rows = session.scalars(query.offset((page - 1) * PAGE).limit(PAGE + 1)).all()
    return lines_of(session, rows[:PAGE]), len(rows) > PAGE


def of_model(
    session: Session, model: str, deployment: str, *, start: datetime, limit: int = 12
) -> tuple[IncidentLine, ...]:
    """Incidents of one model that are open or were detected since ``start``, newest first."""
    rows = session.scalars(
        select(IncidentRow)
        .where(
            IncidentRow.model == model,
            IncidentRow.deployment == deployment,
            (IncidentRow.state != RESOLVED) | (IncidentRow.detected_at >= start),
        )
        .order_by(IncidentRow.detected_at.desc(), IncidentRow.id.desc())
        .limit(limit)
    ).all()
    return lines_of(session, rows)


def lately_resolved(session: Session, *, since: datetime) -> tuple[IncidentLine, ...]:
    rows = session.scalars(
        select(IncidentRow)
        .where(IncidentRow.state == RESOLVED, IncidentRow.resolved_at >= since)
        .order_by(IncidentRow.resolved_at.desc())
        .limit(6)
    ).all()
    return lines_of(session, rows)


def lines_of(session: Session, rows: Sequence[IncidentRow]) -> tuple[IncidentLine, ...]:
    """Lines with what was done about each."""
    done = _actions(session, [row.id for row in rows])
    return tuple(line_of(row, done.get(row.id, ())) for row in rows)


def line_of(row: IncidentRow, actions: Iterable[tuple[str, str]] = ()) -> IncidentLine:
    return IncidentLine(
        id=row.id,
        title=row.title,
        cause=row.cause,
        severity=row.severity,
        state=row.state,
        model=row.model,
        deployment=row.deployment,
        version=row.model_version,
        slice=row.slice or "all traffic",
        onset_at=row.onset_at,
        onset_first_at=row.onset_first_at,
        onset_last_at=row.onset_last_at,
        detected_at=row.detected_at,
        resolved_at=row.resolved_at,
        action=", ".join(f"{kind} {state}" for kind, state in actions),
        disposition=row.disposition,
    )


def _actions(session: Session, ids: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    found: dict[int, list[tuple[str, str]]] = {}
    query = select(ActionRow.incident_id, ActionRow.kind, ActionRow.state)
    for incident, kind, state in session.execute(
        query.where(ActionRow.incident_id.in_(ids)).order_by(ActionRow.id)
    ):
        found.setdefault(incident, []).append((kind, state))
    return found
