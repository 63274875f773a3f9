"""The page of one incident."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.shares import shares_of_evidence
from alerts.times import times_of
from alerts.types import Incident
from dashboards.console.readmodels import (
    FindingLine,
    IncidentView,
    Marker,
    Milestone,
    RepeatLine,
    RunbookView,
    SignalSeries,
    TimelineItem,
    TimeTo,
)
from monitor.response import past
from monitor.store import baselines
from monitor.store.tables import IncidentRow, TimelineRow
from monitor.web.console import (
    queries_followups,
    queries_incidents,
    queries_report,
    queries_windows,
)
from monitor.web.console.needs import ConsoleServices, Target, target_of
from monitor.web.console.queries_actions import actions_of, deliveries_of
from monitor.web.console.queries_decisions import decisions_of
from monitor.web.console.queries_exemplars import groups_of
from monitor.web.console.queries_model import release_markers_between
from monitor.web.console.queries_points import (
    Points,
    drifted_streams,
    known,
    points_between,
    series_of,
    table_of,
)
from vigil.catalogue import base_of, signal_of
from vigil.errors import NotFoundError
from vigil.types import WHOLE, Effect, Outcome, SignalForm
from vigil.windows.baseline import Baseline

MOST_SERIES = 4
MOST_FINDINGS = 40
BEFORE_WINDOWS, AFTER_WINDOWS = 40, 20


def incident_page(
    session: Session,
    services: ConsoleServices,
    now: datetime,
    incident_id: int,
    runbook: RunbookView | None,
) -> IncidentView:
    """Raises:
    NotFoundError: there is no such incident.
    """
    row = incident_row(session, incident_id)
    incident = Incident.from_columns(row)
    settings = services.settings
    target = target_of(settings, row.model, row.deployment)
    window_s, threshold = settings.service.window_s, settings.threshold_ticks
    began = row.onset_at or row.detected_at
    ended = row.resolved_at or row.recovered_at or now
    start = began - timedelta(seconds=BEFORE_WINDOWS * window_s)
    end = min(now, max(ended, row.detected_at) + timedelta(seconds=AFTER_WINDOWS * window_s))
    points = points_between(session, target, start, end)
    findings = findings_of(row.findings)
    verdicts = drifted_streams(session, target, since=began - timedelta(days=1), until=ended)
    streams = _streams(row, findings, points)
    drifted = {(f.slice, f.signal) for f in findings} | {
        stream for stream, outcome in verdicts.items() if outcome is Outcome.DRIFTED
    }
    baseline = baselines.active(session, row.model, row.model_version)
    until = min(ended, row.mitigated_at or ended)
    traffic = queries_windows.traffic_between(
        session,
        target,
        row.model_version,
        baseline,
        start=began,
        end=max(until, began + timedelta(seconds=window_s)),
        window_s=window_s,
    )
    slice_text = row.slice or str(WHOLE)
    line = queries_incidents.lines_of(session, [row])[0]
    shares = shares_of_evidence(findings)
    return IncidentView(
        line=line,
        version=row.version,
        kind=row.kind,
        milestones=milestones_of(row),
        reasons=tuple(str(reason) for reason in row.reasons),
        findings=findings[:MOST_FINDINGS],
        series=_series(points, streams, target, threshold, drifted, baseline),
        markers=(*markers_of(row), *release_markers_between(session, target, start, end)),
        table=table_of(
            _worst_moment(points, streams, began, until),
            target,
            threshold=threshold,
            drifted=drifted,
            named="" if slice_text == str(WHOLE) else slice_text,
        ),
        distribution=queries_windows.distribution(
            traffic, baseline, _scalar(findings, traffic), slice_text
        ),
        embedding=queries_windows.embedding_map(
            traffic, baseline, services.samples, target, row.model_version, slice_text
        ),
        actions=actions_of(session, row.id, target.class_names),
        deliveries=deliveries_of(session, row.id),
        decisions=decisions_of(session, row.id),
        timeline=_timeline(session, row.id),
        runbook=runbook,
        runbook_name=row.runbook,
        labels=tuple((str(k), str(v)) for k, v in row.labels.items()),
        threshold=threshold,
        signal_shares=tuple(shares.signals.items()),
        slice_shares=tuple(shares.slices.items()),
        exemplars=groups_of(
            session,
            services.samples,
            row,
            target.class_names,
            trace_url=settings.service.trace_url,
        ),
        report=queries_report.line_of(session, row.id),
        times=tuple(
            TimeTo(step=one.step, seconds=one.seconds, since=one.since)
            for one in times_of(incident)
        ),
        repeat=_repeat(session, incident),
        followups=queries_followups.lines(session, now, incident_id=row.id),
    )


def _repeat(session: Session, incident: Incident) -> RepeatLine | None:
    if incident.repeat_of is None:
        return None
    row = session.get(IncidentRow, incident.repeat_of)
    if row is None:
        return None
    text = past.repeat_words(session, Incident.from_columns(row))
    return RepeatLine(incident_id=row.id, text=text)


def incident_row(session: Session, incident_id: int) -> IncidentRow:
    """Raises:
    NotFoundError: there is no such incident.
    """
    row = session.get(IncidentRow, incident_id)
    if row is None:
        raise NotFoundError(f"no incident {incident_id}")
    return row


def milestones_of(row: IncidentRow) -> tuple[Milestone, ...]:
    """The stations in order, with the time since the onset."""
    began = row.onset_at or row.detected_at
    stations = [
        ("onset", row.onset_at),
        ("detected", row.detected_at),
        ("paged", row.paged_at),
        ("acknowledged", row.acknowledged_at),
        ("mitigated", row.mitigated_at),
        ("recovered", row.recovered_at),
    ]
    if row.resolved_at is not None:
        stations.append(("resolved", row.resolved_at))
    return tuple(
        Milestone(name=name, at=at, since_onset_s=(at - began).total_seconds() if at else None)
        for name, at in stations
    )


def markers_of(row: IncidentRow) -> tuple[Marker, ...]:
    """The stations as lines through the plots."""
    kept = ("onset", "detected", "paged", "mitigated", "recovered")
    return tuple(
        Marker(at=m.at, kind=m.name, text=f"{m.name} (#{row.id})")
        for m in milestones_of(row)
        if m.at is not None and m.name in kept
    )


def findings_of(rows: Sequence[Any]) -> tuple[FindingLine, ...]:
    """Findings as the incident keeps them, the furthest beyond tolerance first."""
    out = [_finding(row) for row in rows if isinstance(row, Mapping) and row.get("signal")]
    return tuple(sorted(out, key=lambda f: -_surely(f)))


def _finding(row: Mapping[str, Any]) -> FindingLine:
    return FindingLine(
        signal=str(row["signal"]),
        kind=str(row.get("kind", "")),
        slice=str(row.get("slice") or WHOLE),
        effect=_effect(row.get("effect")),
        evidence=known(row.get("evidence")) or None,
        novel=bool(row.get("novel")),
        provisional=bool(row.get("provisional")),
        before=known(row.get("before")),
        now=known(row.get("now")),
        reason=str(row.get("reason") or ""),
    )


def _effect(plain: Any) -> Effect | None:
    if not isinstance(plain, Mapping):
        return None
    numbers = [known(plain.get(name)) for name in ("value", "low", "high", "tolerance")]
    if any(number is None for number in numbers):
        return None
    value, low, high, tolerance = (number or 0.0 for number in numbers)
    return Effect(
        value=value,
        low=low,
        high=high,
        tolerance=tolerance,
        unit=str(plain.get("unit", "")),
        records=int(known(plain.get("records")) or 0),
    )


def _surely(finding: FindingLine) -> float:
    """How many tolerances the effect surely is; a plain rule outranks them all."""
    if finding.effect is None:
        return float("inf")
    return finding.effect.low / max(finding.effect.tolerance, 1e-9)


def _streams(
    row: IncidentRow, findings: Sequence[FindingLine], points: Points
) -> list[tuple[str, str]]:
    """The streams to plot: each signal once, on the named slice where it was found there."""
    named = row.slice or str(WHOLE)
    ranked = sorted(findings, key=lambda f: f.slice != named)
    chosen: dict[str, str] = {}
    for finding in ranked:
        if finding.signal not in chosen and _has(points, finding.slice, finding.signal):
            chosen[finding.signal] = finding.slice
    return [(slice_text, signal) for signal, slice_text in chosen.items()][:MOST_SERIES]


def _has(points: Points, slice_text: str, signal: str) -> bool:
    return any(signal in row.values.get(slice_text, {}) for row in points.rows)


def _series(
    points: Points,
    streams: Sequence[tuple[str, str]],
    target: Target,
    threshold: float,
    drifted: set[tuple[str, str]],
    baseline: Baseline | None,
) -> tuple[SignalSeries, ...]:
    verdicts = dict.fromkeys(drifted, Outcome.DRIFTED)
    found = (
        series_of(points, stream, target, threshold=threshold, verdicts=verdicts, baseline=baseline)
        for stream in streams
    )
    return tuple(series for series in found if series)


def _worst_moment(
    points: Points, streams: Sequence[tuple[str, str]], start: datetime, end: datetime
) -> Mapping[str, Any]:
    """The tick of the incident at which its streams held most evidence."""

    def evidence(row: Any) -> float:
        values = (row.values.get(s, {}).get(signal) for s, signal in streams)
        return sum(known(v[2]) or 0.0 for v in values if v and len(v) > 2)

    inside = [row for row in points.rows if start <= row.at <= end]
    return max(inside, key=evidence).values if inside else {}


def _scalar(findings: Sequence[FindingLine], traffic: queries_windows.Traffic) -> str:
    """The first finding whose distribution can be drawn, or what the model has."""
    for finding in findings:
        signal = signal_of(base_of(finding.signal))
        if signal is not None and signal.form is SignalForm.SCALAR:
            return signal.name
    return queries_windows.first_signal(traffic.summary.layout.signals if traffic.summary else ())


def _timeline(session: Session, incident_id: int) -> tuple[TimelineItem, ...]:
    rows = session.scalars(
        select(TimelineRow)
        .where(TimelineRow.incident_id == incident_id)
        .order_by(TimelineRow.at, TimelineRow.id)
    )
    return tuple(
        TimelineItem(at=row.at, kind=row.kind, actor=row.actor, text=row.text) for row in rows
    )
