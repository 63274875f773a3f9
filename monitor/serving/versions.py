"""What served, what shall serve and where the two differ: one model's ledger, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from monitor.response.rollback_facts import rollbacks_of
from monitor.serving.builds import build_of
from monitor.serving.intent import announced, seen
from monitor.serving.mismatch import Intent, Mismatch
from monitor.settings.schema import Settings
from monitor.store.tables import ActionRow, RegistryReadingRow, ReleaseRow, ServingSpanRow
from vigil.build import Build
from vigil.errors import NotFoundError

SHOWN = 50
HISTORY_DAYS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """One build served from ``first_at`` to ``last_at``; ``serves`` until now. ``share`` of the
    records of its own time."""

    version: str
    build: Build
    first_at: datetime
    last_at: datetime
    records: int
    share: float
    serves: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that changed what serves, or was meant to. ``kind``: announced, observed,
    rollback, and ``refused``, ``waiting`` and the like of rollbacks that did not go."""

    at: datetime
    kind: str
    version: str
    text: str
    incident: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ledger:
    """``mismatches``: each with its age; ``told`` after ``patience_s``. ``read_at``: when the
    registry was last asked, None where there is none."""

    model: str
    deployment: str
    at: datetime
    announced: Intent | None
    registry: str | None
    read_at: datetime | None
    problem: str
    shares: Mapping[str, float]
    mismatches: Sequence[Mismatch]
    patience_s: float
    spans: Sequence[Span]
    events: Sequence[Event]

    def to_json(self) -> dict[str, Any]:
        """As the API and ``vigil versions --json`` give it."""
        said = self.announced
        return {
            "model": self.model,
            "deployment": self.deployment,
            "at": self.at,
            "announced": {"shares": dict(said.shares), "any_share": said.any_share, "at": said.at}
            if said
            else None,
            "registry": {"version": self.registry, "read_at": self.read_at},
            "seen": dict(self.shares),
            "mismatches": [one.to_json() for one in self.mismatches],
            "spans": [
                {
                    "version": one.version,
                    **dict(one.build.items()),
                    "first_at": one.first_at,
                    "last_at": one.last_at,
                    "records": one.records,
                    "share": one.share,
                    "serves": one.serves,
                }
                for one in self.spans
            ],
            "events": [
                {
                    "at": one.at,
                    "kind": one.kind,
                    "version": one.version,
                    "text": one.text,
                    "incident": one.incident,
                }
                for one in self.events
            ],
        }


def ledger(
    session: Session, settings: Settings, model: str, deployment: str, *, at: datetime
) -> Ledger:
    """Raises:
    NotFoundError: nothing is known of such a model.
    """
    since = at - timedelta(days=HISTORY_DAYS)
    window_s = settings.service.window_s
    reading = session.get(RegistryReadingRow, (model, deployment))
    spans = _spans(session, model, deployment, since, at, window_s)
    events = _events(session, model, deployment)
    known = spans or events or reading or settings.model(model, deployment)
    if not known:
        raise NotFoundError(f"{model}/{deployment}: nothing is known of it")
    has_registry = reading is not None and (reading.version is not None or reading.problem)
    return Ledger(
        model=model,
        deployment=deployment,
        at=at,
        announced=announced(session, model, deployment, at),
        registry=reading.version if reading else None,
        read_at=reading.read_at if reading and has_registry else None,
        problem=reading.problem if reading else "",
        shares=seen(session, model, deployment, at, window_s=window_s).shares,
        mismatches=[Mismatch.from_json(one) for one in reading.mismatches] if reading else [],
        patience_s=settings.serving.patience_s,
        spans=spans,
        events=events,
    )


def _spans(
    session: Session,
    model: str,
    deployment: str,
    since: datetime,
    at: datetime,
    window_s: float,
) -> list[Span]:
    rows = session.scalars(
        select(ServingSpanRow)
        .where(
            ServingSpanRow.model == model,
            ServingSpanRow.deployment == deployment,
            ServingSpanRow.last_at > since,
        )
        .order_by(ServingSpanRow.first_at.desc(), ServingSpanRow.id.desc())
        .limit(SHOWN)
    ).all()
    recent = at - timedelta(seconds=5 * window_s)
    return [
        Span(
            version=row.version,
            build=build_of(row),
            first_at=row.first_at,
            last_at=row.last_at,
            records=row.records,
            share=_share(row, rows),
            serves=row.last_at >= recent,
        )
        for row in rows
    ]


def _share(row: ServingSpanRow, rows: Sequence[ServingSpanRow]) -> float:
    """Of the records in its time, where others' records are spread evenly over theirs."""
    total = 0.0
    for other in rows:
        start, end = max(row.first_at, other.first_at), min(row.last_at, other.last_at)
        together = (end - start).total_seconds()
        whole = (other.last_at - other.first_at).total_seconds()
        if together > 0 and whole > 0:
            total += other.records * together / whole
    return row.records / total if total else 0.0


def _events(session: Session, model: str, deployment: str) -> list[Event]:
    releases = session.scalars(
        select(ReleaseRow)
        .where(ReleaseRow.model == model, ReleaseRow.deployment == deployment)
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
        .limit(SHOWN)
    )
    found = [_release(row) for row in releases]
    for row, _ in session.execute(rollbacks_of(model, deployment)):
        if row.plan and (row.executed_at is None or row.state == "failed"):
            found.append(_rollback(row))
    return sorted(found, key=lambda one: one.at, reverse=True)[:SHOWN]


def _release(row: ReleaseRow) -> Event:
    words = {"announced": "announced", "observed": "seen in windows", "rollback": "put back"}
    parts = [words.get(row.origin, row.origin)]
    if row.actor:
        parts[0] += f" by {row.actor}"
    if row.previous:
        parts.append(f"after {row.previous}")
    if row.share < 1.0:
        parts.append(f"{row.share:.0%} of the traffic")
    if row.known_good:
        parts.append("known good")
    parts += [f"{what} {value}" for what, value in build_of(row).to_json().items()]
    if row.note:
        parts.append(row.note)
    return Event(at=row.started_at, kind=row.origin, version=row.version, text=", ".join(parts))


def _rollback(row: ActionRow) -> Event:
    return Event(
        at=row.updated_at,
        kind=row.state,
        version=str(row.plan["to_version"]),
        text=str(row.result.get("text", "a rollback is considered")),
        incident=row.incident_id,
    )
