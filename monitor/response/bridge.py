"""The one place where a diagnosis becomes an alert, and an alert an incident."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.grouping import STANDS_ALONE, Belongs, GroupDecision, alert_labels, group_key
from alerts.pipeline.correlate import began_together
from alerts.severity import severity_of
from alerts.text import headline
from alerts.types import (
    Alert,
    AlertKind,
    Finding,
    Incident,
    IncidentState,
    MessageEvent,
    TimelineEntry,
)
from detectors.cause import ReleaseFact
from detectors.streams import StreamKey
from monitor.checks.diagnose import latest_release
from monitor.checks.diagnosis import Diagnosis, Drift
from monitor.checks.terrain import Terrain
from monitor.metrics import Metrics
from monitor.response import record
from monitor.response.again import Again
from monitor.response.announce import Announcer
from monitor.response.one_finding import as_known
from monitor.response.placing import Placing, note_part
from monitor.runbook_values import page_name
from monitor.settings.alerting import Incidents
from monitor.store.commit import once_committed
from runbooks.library import Library
from vigil.catalogue import base_of, signal_of
from vigil.types import Cause, SignalKind, Slice


def to_alert(diagnosis: Diagnosis) -> Alert:
    """The alert of a diagnosis; its labels do not change while the fault lasts."""
    return Alert(
        labels=alert_labels(
            kind=kind_of(diagnosis),
            model=diagnosis.model.name,
            deployment=diagnosis.model.deployment,
            cause=diagnosis.cause,
            slice=diagnosis.slice,
        ),
        annotations={"reasons": "; ".join(diagnosis.reasons)},
        starts_at=diagnosis.onset or diagnosis.at,
    )


def kind_of(diagnosis: Diagnosis) -> AlertKind:
    """A plain rule is a hard fault, save that silence is no data."""
    if diagnosis.hard and diagnosis.cause is not Cause.NO_DATA:
        return AlertKind.HARD_FAULT
    return AlertKind.BASELINE_DRIFT if diagnosis.ticket else AlertKind.of(diagnosis.cause)


def to_finding(drift: Drift) -> Finding:
    signal = signal_of(drift.stream.signal)
    return Finding(
        signal=drift.stream.signal,
        kind=signal.kind if signal else SignalKind.SERVICE,
        slice=drift.stream.slice,
        effect=drift.effect,
        evidence=drift.evidence,
        threshold=drift.threshold,
        novel=drift.novel,
        provisional=drift.provisional,
        before=drift.before,
        now=drift.now,
        reason=drift.reason,
    )


def within(inner: Slice, outer: Slice) -> bool:
    """Whether all traffic of ``inner`` is traffic of ``outer``, as far as the names tell."""
    return set(outer.pairs) <= set(inner.pairs)


TOGETHER_WINDOWS = 10
"""Drift that begins at most so many windows after an incident, on its slice, is part of it."""


class Bridge:
    """Turns diagnoses into incidents, in the session of the tick."""

    def __init__(
        self,
        announcer: Announcer,
        library: Library,
        metrics: Metrics,
        *,
        window_s: float,
        reopen_within_s: float = 0.0,
        rules: Incidents | None = None,
    ) -> None:
        self._again = Again(rules or Incidents())
        self._together = timedelta(seconds=TOGETHER_WINDOWS * window_s)
        self._placing = Placing(
            announcer, together=self._together, reopen_within=timedelta(seconds=reopen_within_s)
        )
        self._announcer = announcer
        self._library = library
        self._metrics = metrics

    def raise_alert(self, session: Session, diagnosis: Diagnosis) -> tuple[Incident, Belongs]:
        """Open, widen or reopen an incident, and queue its messages."""
        alert = to_alert(diagnosis)
        findings = tuple(to_finding(drift) for drift in diagnosis.drifts)
        kind = kind_of(diagnosis)
        severity = severity_of(kind, diagnosis.slice, findings, provisional=diagnosis.provisional)
        place = self._placing.place(session, diagnosis, alert, kind=kind, severity=severity)
        if place.belongs in (Belongs.NEW, Belongs.PART, Belongs.REOPENS):
            unheard = self._again.unheard(session, diagnosis, kind=kind, severity=severity)
            if unheard is not None:
                return unheard, Belongs.DISMISSED
        if place.incident is None or place.belongs is Belongs.PART:
            incident = self._open(session, diagnosis, alert, findings, place)
            return incident, Belongs.NEW
        incident, at, back = place.incident, diagnosis.at, place.belongs is Belongs.REOPENS
        if back:
            text = f"Reopened: {place.reason}."
            moved = incidents.reopen(incident, at=at, actor="vigil", text=text)
            incident = record.save(session, moved)
        reason = place.reason if place.belongs is Belongs.JOINS else ""
        incident = self._widen(session, incident, findings, at, reason, tells=not back)
        incident = self._placing.count(session, incident, diagnosis, place.reason)
        if back:  # one page says all
            note = self._again.flapping_words(session, incident)
            self._announcer.tell(session, incident, MessageEvent.TRIGGER, at=at, note=note)
        return incident, place.belongs

    def owner(
        self,
        session: Session,
        stream: StreamKey,
        onset: datetime,
        at: datetime,
        terrain: Terrain,
    ) -> Incident | None:
        """The open incident that this stream's drift is part of: a known finding of it, or one that
        began with it on its slice. A release since then asks the question anew."""
        release = latest_release(session, (stream.model, stream.deployment), at)
        for incident in record.open_incidents(session, stream.model, stream.deployment):
            if incident.kind in STANDS_ALONE or self._released_since(incident, release, onset):
                continue
            known = any(
                (base_of(one.signal), one.slice) == (base_of(stream.signal), stream.slice)
                for one in incident.findings
            )
            if known or (
                terrain.within(stream.slice, incident.slice)
                and began_together(onset, incident, self._together)
            ):
                return incident
        return None

    def _released_since(
        self, incident: Incident, release: ReleaseFact | None, onset: datetime
    ) -> bool:
        if release is None or release.version == incident.model_version:
            return False
        rolled_back = incident.mitigated_at is not None
        return (
            not rolled_back
            and release.started_at > incident.detected_at
            and onset >= release.started_at - self._together
        )

    def still_firing(
        self, session: Session, incident: Incident, drifts: Sequence[Drift], at: datetime
    ) -> Incident:
        """The fault lasts: newer figures, perhaps a higher severity, no new incident."""
        findings = tuple(to_finding(drift) for drift in drifts)
        return self._widen(session, incident, findings, at, reason="")

    def _widen(
        self,
        session: Session,
        incident: Incident,
        findings: tuple[Finding, ...],
        at: datetime,
        reason: str,
        *,
        tells: bool = True,
    ) -> Incident:
        severity = severity_of(
            incident.kind,
            incident.slice,
            findings,
            provisional=all(finding.provisional for finding in findings),
        )
        before = incident.severity
        moved = incidents.fired_again(
            incident,
            at=at,
            findings=as_known(incident.findings, findings),
            severity=severity,
            reason=reason,
        )
        incident = record.save(session, moved)
        if tells and incident.severity is not before:
            self._announcer.tell(session, incident, MessageEvent.UPDATE, at=at, note=moved.reason)
        return incident

    def _open(
        self,
        session: Session,
        diagnosis: Diagnosis,
        alert: Alert,
        findings: tuple[Finding, ...],
        place: GroupDecision,
    ) -> Incident:
        model, kind = diagnosis.model, kind_of(diagnosis)
        labels = {"owner": self._announcer.owner(model.name, model.deployment)}
        if diagnosis.previous_version:
            labels["previous_version"] = diagnosis.previous_version
        if diagnosis.release_started_at:
            labels["release_started_at"] = diagnosis.release_started_at.isoformat()
        labels["began_with_release"] = "yes" if diagnosis.began_with_release else "no"
        upstream = self._announcer.upstream(model.name, model.deployment)
        if upstream:
            labels["upstream"] = upstream
        if place.incident is not None:
            labels["part_of"] = str(place.incident.id)
        earlier = self._again.latest_like(session, alert.fingerprint, diagnosis.at)
        incident = Incident(
            id=0,
            group_key=group_key(model.name, model.deployment, diagnosis.cause),
            fingerprint=alert.fingerprint,
            kind=kind,
            cause=diagnosis.cause,
            severity=severity_of(
                kind, diagnosis.slice, findings, provisional=diagnosis.provisional
            ),
            model=model.name,
            model_version=model.version,
            deployment=model.deployment,
            slice=diagnosis.slice,
            title=headline(
                kind=kind,
                model=model.name,
                version=model.version,
                slice=diagnosis.slice,
                findings=findings,
                labels=labels,
            ),
            state=IncidentState.OPEN,
            onset_at=diagnosis.onset,
            onset_first_at=diagnosis.onset_first,
            onset_last_at=diagnosis.onset_last,
            detected_at=diagnosis.at,
            last_firing_at=diagnosis.at,
            findings=findings[: incidents.MAX_FINDINGS],
            reasons=diagnosis.reasons,
            labels=labels,
            repeat_of=earlier.id if earlier else None,
            runbook=page_name(self._library, kind, findings, diagnosis.slice),
        )
        opened = record.create(
            session,
            incident,
            TimelineEntry(
                at=diagnosis.at,
                kind="detected",
                actor="vigil",
                text=f"{incident.title}.",
                data={"reasons": list(diagnosis.reasons)},
            ),
        )
        if place.incident is not None:
            note_part(session, place.incident, opened, place.reason)
        note = self._again.note_repeat(session, opened, earlier)
        self._announcer.tell(session, opened, MessageEvent.TRIGGER, at=diagnosis.at, note=note)
        once_committed(session, lambda: self._measure(opened))
        return opened

    def _measure(self, opened: Incident) -> None:
        self._metrics.count(
            "vigil_incidents_total",
            model=opened.model,
            deployment=opened.deployment,
            cause=opened.cause.value,
        )
        if opened.onset_at:
            self._metrics.observe(
                "vigil_time_to_detect_seconds", _seconds(opened.detected_at, opened.onset_at)
            )


def _seconds(later: datetime, earlier: datetime) -> float:
    return max(0.0, (later - earlier).total_seconds())
