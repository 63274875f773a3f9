"""The page of one model in one deployment."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboards.console.pages import SPANS
from dashboards.console.readmodels import (
    BaselineLine,
    CostLine,
    FindableLine,
    IncidentLine,
    Marker,
    ModelView,
    ReleaseLine,
    SignalSeries,
    SourceLine,
)
from monitor.checks import coverage
from monitor.serving.cost import cost_since
from monitor.settings.schema import WatchedModel
from monitor.store import baselines
from monitor.store.tables import BaselineRow, ReleaseRow
from monitor.web.console import queries_fleet, queries_incidents, queries_windows
from monitor.web.console.needs import ConsoleServices, Target, target_of
from monitor.web.console.queries_faults import data_faults
from monitor.web.console.queries_points import (
    Points,
    drifted_streams,
    points_between,
    series_of,
    table_of,
)
from vigil.catalogue import base_of, in_order, signal_of
from vigil.errors import NotFoundError
from vigil.types import WHOLE, Outcome

DEFAULT_SPAN = "1h"
COST_SPANS = (("last hour", timedelta(hours=1)), ("last day", timedelta(days=1)))


def model_page(
    session: Session,
    services: ConsoleServices,
    now: datetime,
    *,
    model: str,
    deployment: str,
    slice_text: str = "",
    span: str = "",
    signal: str = "",
) -> ModelView:
    """Raises:
    NotFoundError: neither the settings nor any window know this model.
    """
    settings = services.settings
    target = target_of(settings, model, deployment)
    sources = queries_fleet.sources_of(session, target)
    watched = settings.model(model, deployment)
    if not sources and watched is None:
        raise NotFoundError(f"no model {model!r} in deployment {deployment!r}")
    span = span if span in SPANS else _default_span(services)
    start = now - timedelta(seconds=SPANS[span])
    points = points_between(session, target, start, now)
    slices = points.slices or (str(WHOLE),)
    if slice_text not in slices:
        slice_text = str(WHOLE)
    version = sources[0].version if sources else ""
    baseline = baselines.active(session, model, version) if version else None
    verdicts = drifted_streams(session, target, since=now - timedelta(days=1), until=now)
    threshold = settings.threshold_ticks
    series = tuple(
        found
        for name in _shown(points, verdicts, slice_text)
        if (
            found := series_of(
                points,
                (slice_text, name),
                target,
                threshold=threshold,
                verdicts=verdicts,
                baseline=baseline,
            )
        )
    )
    incidents = queries_incidents.of_model(session, model, deployment, start=start)
    is_open = [line for line in incidents if line.state != queries_incidents.RESOLVED]
    silent = sum(queries_fleet.is_silent(source, settings, now) for source in sources)
    kinds = queries_fleet.open_kinds(session, target)
    status, reason = queries_fleet.status_of(
        kinds=kinds,
        sources=len(sources),
        silent=silent,
        verified=baseline is not None,
        points=points,
    )
    releases = _releases(session, target)
    traffic = queries_windows.traffic_between(
        session, target, version, baseline, start=start, end=now, window_s=settings.service.window_s
    )
    signal = base_of(signal) if signal_of(signal) is not None else _most_telling(series)
    return ModelView(
        model=model,
        deployment=deployment,
        owner=target.owner,
        version=version or "–",
        task=traffic.windows[-1].summary.layout.task if traffic.windows else "",
        verified=baseline is not None,
        status=status,
        named=queries_fleet.named(kinds),
        reason=reason,
        slice=slice_text,
        slices=slices,
        span=span,
        start=start,
        end=now,
        series=series,
        markers=(*_release_markers(releases), *incident_markers(incidents)),
        table=table_of(
            points.last,
            target,
            threshold=threshold,
            drifted=[key for key, outcome in verdicts.items() if outcome is Outcome.DRIFTED],
            named=next((line.slice for line in is_open if line.slice != str(WHOLE)), ""),
        ),
        signal=signal,
        distribution=queries_windows.distribution(traffic, baseline, signal, slice_text),
        classes=queries_windows.classes(traffic, baseline, target.class_names, slice_text),
        embedding=queries_windows.embedding_map(
            traffic, baseline, services.samples, target, version, slice_text
        ),
        reliability=queries_windows.reliability(
            session, target, baseline, start=start, end=now, slice_text=slice_text
        ),
        baseline=_baseline(session, model, version),
        releases=releases[:8],
        sources=tuple(
            SourceLine(
                source=row.source,
                version=row.version,
                last_window_at=row.last_window_at,
                silent=queries_fleet.is_silent(row, settings, now),
            )
            for row in sources[:24]
        ),
        incidents=incidents,
        records=_records(points),
        threshold=threshold,
        findable=tuple(
            FindableLine(
                signal=one.signal,
                smallest=one.smallest,
                text=one.text,
                history=one.history,
                needed=one.needed,
            )
            for one in coverage.read(session, model, deployment)
            if one.slice == slice_text
        ),
        findable_windows=coverage.WITHIN_WINDOWS,
        faults=data_faults(traffic),
        price=watched.price_per_hour if watched else None,
        currency=watched.currency if watched else "",
        costs=_costs(session, watched, now) if watched else (),
        has_schema=baseline is not None and baseline.ruler.schema is not None,
    )


def _shown(points: Points, verdicts: Collection[tuple[str, str]], slice_text: str) -> list[str]:
    """The signals that were judged on the slice; of spreads only those that drifted."""
    seen = in_order({name for row in points.rows for name in row.values.get(slice_text, {})})
    spreads = [name for name in seen if base_of(name) != name]
    drifted = [name for name in spreads if (slice_text, name) in verdicts]
    return [*(name for name in seen if name not in spreads), *drifted]


def incident_markers(lines: tuple[IncidentLine, ...]) -> tuple[Marker, ...]:
    """Onset and detection of each."""
    out = []
    for line in lines:
        if line.onset_at is not None:
            out.append(Marker(at=line.onset_at, kind="onset", text=f"onset of #{line.id}"))
        out.append(
            Marker(at=line.detected_at, kind="detected", text=f"#{line.id} detected: {line.title}")
        )
        if line.resolved_at is not None:
            out.append(Marker(at=line.resolved_at, kind="recovered", text=f"#{line.id} resolved"))
    return tuple(out)


def release_markers_between(
    session: Session, target: Target, start: datetime, end: datetime
) -> tuple[Marker, ...]:
    """Releases in a span."""
    found = [r for r in _releases(session, target) if start <= r.started_at <= end]
    return _release_markers(tuple(found))


def _release_markers(releases: tuple[ReleaseLine, ...]) -> tuple[Marker, ...]:
    return tuple(
        Marker(at=r.started_at, kind="release", text=f"{r.version} serves ({r.origin})")
        for r in releases
    )


def _releases(session: Session, target: Target) -> tuple[ReleaseLine, ...]:
    rows = session.scalars(
        select(ReleaseRow)
        .where(ReleaseRow.model == target.model, ReleaseRow.deployment == target.deployment)
        .order_by(ReleaseRow.started_at.desc(), ReleaseRow.id.desc())
        .limit(100)
    )
    return tuple(
        ReleaseLine(
            version=row.version,
            previous=row.previous,
            started_at=row.started_at,
            origin=row.origin,
            actor=row.actor,
        )
        for row in rows
    )


def _baseline(session: Session, model: str, version: str) -> BaselineLine | None:
    row = session.scalar(
        select(BaselineRow)
        .where(
            BaselineRow.model == model,
            BaselineRow.version == version,
            BaselineRow.state == baselines.ACTIVE,
        )
        .limit(1)
    )
    if row is None:
        return None
    return BaselineLine(
        version=row.version,
        sha256=row.sha256,
        dataset=row.dataset,
        records=row.records,
        created_at=row.created_at,
        author=row.author,
        state=row.state,
    )


def _most_telling(series: tuple[SignalSeries, ...]) -> str:
    """The scalar signal with most evidence now, for the distribution to show."""
    scalars = [s for s in series if s.baseline_mean is not None and s.last is not None]
    drifted = [s for s in scalars if s.status is Outcome.DRIFTED]
    if not drifted:
        return queries_windows.first_signal([one.signal for one in scalars])
    return max(drifted, key=lambda s: (s.last.evidence or 0.0) if s.last else 0.0).signal


def _default_span(services: ConsoleServices) -> str:
    """An hour for windows of a minute; less where windows are shorter."""
    return "15m" if services.settings.service.window_s < 15 else DEFAULT_SPAN


def _costs(session: Session, watched: WatchedModel, now: datetime) -> tuple[CostLine, ...]:
    """What the last hour and the last day cost; nothing without a price."""
    found = [(words, cost_since(session, watched, now - length)) for words, length in COST_SPANS]
    return tuple(
        CostLine(
            span=words,
            per_thousand=one.per_thousand,
            total=one.total,
            records=one.records,
            hours=one.hours,
        )
        for words, one in found
        if one is not None
    )


def _records(points: Points) -> int:
    return sum(row.records for row in points.rows)
