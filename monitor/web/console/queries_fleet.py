"""The fleet page: every model, and vigil itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from alerts.types import AlertKind
from dashboards.console.readmodels import FleetRow, FleetView
from monitor.settings.schema import Settings
from monitor.store.tables import (
    BaselineRow,
    IncidentRow,
    OutboxRow,
    RejectionRow,
    SignalPointRow,
    SourceRow,
    SwitchRow,
    TickRow,
)
from monitor.web.console import queries_incidents
from monitor.web.console.needs import ConsoleServices, Target, target_of
from monitor.web.console.queries_points import Points, last_point, point_of
from vigil.types import Cause, Outcome

SPARK_TICKS = 60


def fleet(session: Session, services: ConsoleServices, now: datetime) -> FleetView:
    """Every model that the settings name or that has sent a window."""
    settings = services.settings
    named = [(m.name, m.deployment) for m in settings.models]
    seen = session.execute(
        select(SourceRow.model, SourceRow.deployment)
        .distinct()
        .order_by(SourceRow.model, SourceRow.deployment)
    ).all()
    pairs = dict.fromkeys([*named, *((row[0], row[1]) for row in seen)])
    rows = [_row(session, target_of(settings, *pair), settings, now) for pair in pairs]
    order = list(_URGENCY)
    rows.sort(key=lambda row: (-row.incidents, order.index(row.status), row.model))
    budget = settings.budget
    return FleetView(
        rows=tuple(rows),
        incidents=queries_incidents.open_lines(session),
        recently_resolved=queries_incidents.lately_resolved(session, since=now - timedelta(days=1)),
        threshold=settings.threshold_ticks,
        false_pages=budget.false_pages,
        per_days=budget.per_days,
        ticks=session.scalar(select(func.count()).select_from(TickRow)) or 0,
        outbox_waiting=_outbox(session, "waiting"),
        outbox_dead=_outbox(session, "dead"),
        rejections=_rejections(session, now),
    )


def last_tick(session: Session) -> datetime | None:
    """When the newest tick ran."""
    row = session.execute(
        select(TickRow.started_at).order_by(TickRow.end_at.desc()).limit(1)
    ).first()
    return row[0] if row else None


def tick_is_late(at: datetime | None, settings: Settings, now: datetime) -> bool:
    """Whether checks have fallen three windows behind."""
    service = settings.service
    allowed = 3 * service.window_s + service.lateness_s
    return at is not None and (now - at).total_seconds() > max(allowed, 10.0)


def actions_stopped(session: Session) -> bool:
    row = session.get(SwitchRow, "actions_stopped")
    return row is not None and row.value.lower() not in ("", "0", "false", "off", "no")


def is_silent(row: SourceRow, settings: Settings, now: datetime) -> bool:
    """Whether a source has sent nothing for as long as the checks allow."""
    service = settings.service
    allowed = settings.checks.silent_after_windows * service.window_s + service.lateness_s
    return (now - row.last_window_at).total_seconds() > allowed


def sources_of(session: Session, target: Target) -> list[SourceRow]:
    """Sources in use, the one heard last first."""
    return list(
        session.scalars(
            select(SourceRow)
            .where(
                SourceRow.model == target.model,
                SourceRow.deployment == target.deployment,
                SourceRow.retired.is_(False),
            )
            .order_by(SourceRow.last_window_at.desc(), SourceRow.source)
        )
    )


def is_verified(session: Session, model: str, version: str) -> bool:
    query = select(BaselineRow.id).where(
        BaselineRow.model == model, BaselineRow.version == version, BaselineRow.state == "active"
    )
    return session.scalar(query.limit(1)) is not None


_URGENCY = {
    Outcome.DRIFTED: "an incident is open",
    Outcome.NO_DATA: "no source sends windows",
    Outcome.INCONCLUSIVE: "not judged",
    Outcome.HEALTHY: "nothing has drifted",
}


_DRIFTS = {str(AlertKind.of(cause)) for cause in Cause} - {AlertKind.NO_DATA}
_DRIFTS |= {AlertKind.BASELINE_DRIFT}
"""Kinds of incidents in which something was measured and lies apart from the baseline."""


def open_kinds(session: Session, target: Target) -> Sequence[str]:
    """What the open incidents of a model are about, the oldest first."""
    return session.scalars(
        select(IncidentRow.kind)
        .where(
            IncidentRow.model == target.model,
            IncidentRow.deployment == target.deployment,
            IncidentRow.state != queries_incidents.RESOLVED,
        )
        .order_by(IncidentRow.id)
    ).all()


def named(kinds: Sequence[str]) -> str:
    """What a model's state is called while these incidents are open: the kind of the first, where
    none of them is about a drift; empty: its usual name."""
    return "" if not kinds or _DRIFTS.intersection(kinds) else kinds[0]


def status_of(
    *, kinds: Sequence[str], sources: int, silent: int, verified: bool, points: Points
) -> tuple[Outcome, str]:
    """What a model's state is in one word, and why. ``kinds`` of the open incidents."""
    if kinds:
        some = "an incident is" if len(kinds) == 1 else f"{len(kinds)} incidents are"
        return Outcome.DRIFTED, f"{some} open"
    if sources == 0:
        return Outcome.NO_DATA, "no window has arrived"
    if silent == sources:
        return Outcome.NO_DATA, "every source has gone silent"
    if not verified:
        return Outcome.INCONCLUSIVE, "this version has no baseline: shown, but not judged"
    if not points.rows:
        return Outcome.INCONCLUSIVE, "no check has judged it yet"
    if silent:
        return Outcome.HEALTHY, f"nothing has drifted; {silent} of {sources} sources are silent"
    return Outcome.HEALTHY, "nothing has drifted"


def _row(session: Session, target: Target, settings: Settings, now: datetime) -> FleetRow:
    sources = sources_of(session, target)
    version = sources[0].version if sources else "–"
    verified = is_verified(session, target.model, version)
    silent = sum(is_silent(source, settings, now) for source in sources)
    points = last_point(session, target)
    kinds = open_kinds(session, target)
    status, reason = status_of(
        kinds=kinds,
        sources=len(sources),
        silent=silent,
        verified=verified,
        points=points,
    )
    signal, slice_text, ratio, evidence = _furthest(points, target)
    throughput = _throughput(session, target)
    return FleetRow(
        model=target.model,
        deployment=target.deployment,
        version=version,
        verified=verified or not sources,
        status=status,
        named=named(kinds),
        reason=reason,
        throughput=throughput,
        records=int(throughput[-1]) if throughput else 0,
        worst_signal=signal,
        worst_slice=slice_text,
        worst_ratio=ratio,
        evidence=evidence,
        threshold=settings.threshold_ticks,
        sources=len(sources),
        silent_sources=silent,
        last_window_at=max((s.last_window_at for s in sources), default=None),
        incidents=len(kinds),
    )


def _furthest(points: Points, target: Target) -> tuple[str, str, float | None, float | None]:
    """The stream with most evidence at the last tick: signal, slice, tolerances, evidence."""
    best: tuple[float, str, str, float | None] | None = None
    for slice_text, signals in points.last.items():
        for signal, values in signals.items():
            point = point_of(datetime.min, values)
            if point.effect is None or point.evidence is None:
                continue
            if best is None or point.evidence > best[0]:
                tolerance = target.tolerance(signal)
                ratio = abs(point.effect) / tolerance if tolerance > 0 else None
                best = (point.evidence, signal, slice_text, ratio)
    return ("", "", None, None) if best is None else (best[1], best[2], best[3], best[0])


def _throughput(session: Session, target: Target) -> tuple[float, ...]:
    rows = session.scalars(
        select(SignalPointRow.records)
        .where(
            SignalPointRow.model == target.model,
            SignalPointRow.deployment == target.deployment,
        )
        .order_by(SignalPointRow.at.desc())
        .limit(SPARK_TICKS)
    ).all()
    return tuple(float(records) for records in reversed(rows))


def _outbox(session: Session, state: str) -> int:
    query = select(func.count()).select_from(OutboxRow).where(OutboxRow.state == state)
    return session.scalar(query) or 0


def _rejections(session: Session, now: datetime) -> tuple[tuple[str, int], ...]:
    rows = session.execute(
        select(RejectionRow.reason, func.sum(RejectionRow.count))
        .where(RejectionRow.hour >= now - timedelta(days=1))
        .group_by(RejectionRow.reason)
        .order_by(func.sum(RejectionRow.count).desc())
    )
    return tuple((reason, int(total)) for reason, total in rows)
