"""What the command line lists, read from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.shares import shares_of_evidence
from monitor.checks import coverage
from monitor.response import record
from monitor.response.exemplars import exemplars_of
from monitor.serving.cost import Cost, cost_since
from monitor.settings.schema import Settings
from monitor.store.samples import SampleStore
from monitor.store.tables import (
    ActionRow,
    BaselineRow,
    CoverageRow,
    IncidentRow,
    OutboxRow,
    RejectionRow,
    ReleaseRow,
    SourceRow,
    SwitchRow,
    TickRow,
    TimelineRow,
    TokenRow,
    WindowRow,
)
from vigil.errors import NotFoundError

Found = list[Mapping[str, Any]]


def fleet(session: Session, settings: Settings, now: datetime) -> Found:
    """One row a model and deployment, declared or seen; with the last day's cost of 1000
    inferences, where any model has a price."""
    declared = {(watched.name, watched.deployment) for watched in settings.models}
    last: dict[tuple[str, str], tuple[str, datetime]] = {}
    for row in session.scalars(select(SourceRow).order_by(SourceRow.last_window_at)):
        last[row.model, row.deployment] = (row.version, row.last_window_at)
    serving = {
        (row.model, row.deployment): row.version
        for row in session.scalars(select(ReleaseRow).order_by(ReleaseRow.started_at))
    }
    judged = {
        (name, version)
        for name, version in session.execute(
            select(BaselineRow.model, BaselineRow.version).where(BaselineRow.state == "active")
        )
    }
    troubles = {
        (model, deployment): count
        for model, deployment, count in session.execute(
            select(IncidentRow.model, IncidentRow.deployment, func.count())
            .where(IncidentRow.state != "resolved")
            .group_by(IncidentRow.model, IncidentRow.deployment)
        )
    }
    costs = {
        (one.name, one.deployment): cost_since(session, one, now - timedelta(days=1))
        for one in settings.models
    }
    has_prices = any(one.price_per_hour is not None for one in settings.models)
    found: Found = []
    for name, deployment in sorted(declared | set(last) | set(serving)):
        version, seen = last.get((name, deployment), (None, None))
        version = serving.get((name, deployment), version)
        found.append(
            {
                "model": name,
                "deployment": deployment,
                "version": version,
                "declared": (name, deployment) in declared,
                "baseline": (name, version) in judged,
                "last_window": seen,
                "open_incidents": troubles.get((name, deployment), 0),
                **({"cost_per_1000": _cost(costs.get((name, deployment)))} if has_prices else {}),
            }
        )
    return found


def _cost(cost: Cost | None) -> float | None:
    if cost is None or cost.per_thousand is None:
        return None
    return float(f"{cost.per_thousand:.4g}")


def findable(session: Session) -> Found:
    """One row a stream: its history, and the smallest lasting shift that it would show."""
    return [
        {
            "model": row.model,
            "deployment": row.deployment,
            "slice": one.slice,
            "signal": one.signal,
            "history": one.history,
            "smallest_shift": one.text,
        }
        for row in session.scalars(
            select(CoverageRow).order_by(CoverageRow.model, CoverageRow.deployment)
        )
        for one in coverage.read(session, row.model, row.deployment)
    ]


def health(session: Session, *, now: datetime) -> Mapping[str, Any]:
    """How the service itself is."""
    tick = session.scalar(select(TickRow).order_by(TickRow.end_at.desc()).limit(1))

    def count(query: Any) -> int:
        return int(session.scalar(query) or 0)

    windows = select(func.count()).select_from(WindowRow)
    outbox = select(func.count()).select_from(OutboxRow)
    return {
        "at": now,
        "last_tick": None if tick is None else tick.end_at,
        "tick_age_s": None if tick is None else round((now - tick.end_at).total_seconds(), 1),
        "tick_ms": None if tick is None else tick.duration_ms,
        "streams": None if tick is None else tick.streams,
        "windows": count(windows),
        "windows_not_judged": count(windows.where(WindowRow.judged_by.is_(None))),
        "sources": count(
            select(func.count()).select_from(SourceRow).where(SourceRow.retired.is_(False))
        ),
        "open_incidents": count(
            select(func.count()).select_from(IncidentRow).where(IncidentRow.state != "resolved")
        ),
        "messages_waiting": count(outbox.where(OutboxRow.state == "waiting")),
        "messages_dead": count(outbox.where(OutboxRow.state == "dead")),
        "switches": {row.name: row.value for row in session.scalars(select(SwitchRow))},
    }


def windows(session: Session, *, model: str | None, limit: int) -> Found:
    query = select(WindowRow).order_by(WindowRow.end_at.desc(), WindowRow.id.desc()).limit(limit)
    if model is not None:
        query = query.where(WindowRow.model == model)
    return [
        {
            "id": row.id,
            "model": row.model,
            "version": row.version,
            "deployment": row.deployment,
            "source": row.source,
            "sequence": row.sequence,
            "end": row.end_at,
            "records": row.records,
            "dropped": row.dropped,
            "verified": row.verified,
            "origin": row.origin,
            "judged": row.judged_by is not None,
        }
        for row in session.scalars(query)
    ]


def rejections(session: Session, *, limit: int) -> Found:
    query = select(RejectionRow).order_by(RejectionRow.hour.desc()).limit(limit)
    return [
        {
            "hour": row.hour,
            "source": row.source,
            "what": row.what,
            "reason": row.reason,
            "count": row.count,
            "example": row.example,
        }
        for row in session.scalars(query)
    ]


def incidents(session: Session, *, state: str | None, model: str | None, limit: int) -> Found:
    query = select(IncidentRow).order_by(IncidentRow.id.desc()).limit(limit)
    if state == "open":
        query = query.where(IncidentRow.state != "resolved")
    elif state is not None:
        query = query.where(IncidentRow.state == state)
    if model is not None:
        query = query.where(IncidentRow.model == model)
    return [
        {
            "id": row.id,
            "state": row.state,
            "severity": row.severity,
            "cause": row.cause,
            "model": row.model,
            "deployment": row.deployment,
            "slice": row.slice,
            "detected": row.detected_at,
            "title": row.title,
        }
        for row in session.scalars(query)
    ]


def incident(session: Session, incident_id: int) -> Mapping[str, Any]:
    """One incident with its findings, actions, deliveries and timeline.

    Raises:
        NotFoundError: there is none of that number.
    """
    row = session.get(IncidentRow, incident_id)
    if row is None:
        raise NotFoundError(f"incident {incident_id}: there is none of that number")
    found = {column.key: getattr(row, column.key) for column in IncidentRow.__table__.columns}
    found["actions"] = actions(session, incident_id=incident_id, limit=100)
    found["deliveries"] = [
        {
            "receiver": one.receiver,
            "event": one.event,
            "state": one.state,
            "attempts": one.attempts,
            "delivered": one.delivered_at,
            "error": one.last_error,
        }
        for one in session.scalars(
            select(OutboxRow).where(OutboxRow.incident_id == incident_id).order_by(OutboxRow.id)
        )
    ]
    found["timeline"] = [
        {"at": one.at, "kind": one.kind, "actor": one.actor, "text": one.text}
        for one in session.scalars(
            select(TimelineRow)
            .where(TimelineRow.incident_id == incident_id)
            .order_by(TimelineRow.at, TimelineRow.id)
        )
    ]
    return found


def evidence_of(session: Session, samples: SampleStore, incident_id: int) -> Mapping[str, Any]:
    """Which signals and slices carry the evidence of an incident, and the records that show it.

    Raises:
        NotFoundError: there is none of that number.
    """
    found = record.get(session, incident_id)
    shares = shares_of_evidence(found.findings)
    return {
        "shares": {
            "signals": dict(shares.signals),
            "slices": {str(piece): share for piece, share in shares.slices.items()},
        },
        "exemplars": {
            signal: [one.to_json() for one in records]
            for signal, records in exemplars_of(session, samples, found).items()
        },
    }


def actions(session: Session, *, incident_id: int | None = None, limit: int) -> Found:
    query = select(ActionRow).order_by(ActionRow.id.desc()).limit(limit)
    if incident_id is not None:
        query = query.where(ActionRow.incident_id == incident_id)
    return [
        {
            "id": row.id,
            "incident": row.incident_id,
            "kind": row.kind,
            "state": row.state,
            "updated": row.updated_at,
            "plan": row.plan,
            "plan_hash": row.plan_hash,
            "decision": row.decision,
            "result": row.result,
        }
        for row in session.scalars(query)
    ]


def tokens(session: Session) -> Found:
    return [
        {
            "name": row.name,
            "scope": row.scope,
            "created": row.created_at,
            "revoked": row.revoked_at,
        }
        for row in session.scalars(select(TokenRow).order_by(TokenRow.id))
    ]
