"""Asks the pipeline which incident a diagnosis belongs to, with what the database knows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from sqlalchemy.orm import Session

from alerts import incidents
from alerts.grouping import Belongs, GroupDecision
from alerts.incidents import Transition
from alerts.labels import slice_label
from alerts.pipeline.case import Arrival, Case, Known
from alerts.types import Alert, AlertKind, Incident, MessageEvent, Severity, TimelineEntry
from monitor.checks.diagnosis import Diagnosis
from monitor.response import facts, record
from monitor.response.announce import Announcer

MOST_ALSO = 50
"""So many further models are named in an incident; the routes of those beyond are not asked."""


class Placing:
    """Finds the incident of an alert, and keeps count of the models that one incident touches."""

    def __init__(
        self, announcer: Announcer, *, together: timedelta, reopen_within: timedelta
    ) -> None:
        self._announcer = announcer
        self._together, self._reopen_within = together, reopen_within

    def place(
        self,
        session: Session,
        diagnosis: Diagnosis,
        alert: Alert,
        *,
        kind: AlertKind,
        severity: Severity,
    ) -> GroupDecision:
        """The answer of the pipeline's first stages."""
        model = diagnosis.model
        known = facts.known(session, diagnosis.at, since=diagnosis.at - self._reopen_within)
        arrival = Arrival(
            fingerprint=alert.fingerprint,
            kind=kind,
            cause=diagnosis.cause,
            severity=severity,
            model=model.name,
            version=model.version,
            deployment=model.deployment,
            slice=diagnosis.slice,
            owner=self._announcer.owner(model.name, model.deployment),
            onset=diagnosis.onset,
            upstream=self._announcer.upstream(model.name, model.deployment),
            release_started_at=diagnosis.release_started_at,
            began_with_release=diagnosis.began_with_release,
            near=_near(known, diagnosis),
            together=self._together,
            reopen_within=self._reopen_within,
        )
        case = Case(at=diagnosis.at, labels=_labels(arrival), known=known, arrival=arrival)
        place = self._announcer.pipeline.place(case).place
        return place or GroupDecision(belongs=Belongs.NEW, incident=None, reason="nothing is known")

    def count(
        self, session: Session, incident: Incident, diagnosis: Diagnosis, reason: str
    ) -> Incident:
        """Another model feels an incident: it is named there, and its people are told."""
        model = diagnosis.model
        family = [model.name, model.deployment]
        also = json.loads(incident.labels.get("also", "[]"))
        is_known = family in (*also, [incident.model, incident.deployment])
        if is_known or len(also) >= MOST_ALSO:
            return incident
        labels = {**incident.labels, "also": json.dumps([*also, family])}
        text = f"Also {model.name} in {model.deployment}: {reason}."
        following = replace(incident, version=incident.version + 1, labels=labels)
        entry = TimelineEntry(at=diagnosis.at, kind="widened", actor="vigil", text=text)
        moved = Transition(
            change=incidents.Change.CHANGED, incident=following, entry=entry, reason=text
        )
        incident = record.save(session, moved)
        self._announcer.tell(session, incident, MessageEvent.UPDATE, at=diagnosis.at, note=text)
        return incident


def _near(known: Known, diagnosis: Diagnosis) -> frozenset[int]:
    family = (diagnosis.model.name, diagnosis.model.deployment)
    return frozenset(
        each.id
        for each in known.open
        if (each.model, each.deployment) == family
        and diagnosis.terrain.within(diagnosis.slice, each.slice)
    )


def _labels(alert: Arrival) -> dict[str, str]:
    """As the incident would have them that the alert opens."""
    return {
        "alertname": alert.kind.value,
        "cause": alert.cause.value,
        "severity": alert.severity.value,
        "model": alert.model,
        "version": alert.version,
        "deployment": alert.deployment,
        "owner": alert.owner,
        **{slice_label(key): value for key, value in alert.slice.pairs},
    }


def note_part(session: Session, whole: Incident, part: Incident, reason: str) -> None:
    """One line on the incident that explains another."""
    text = f"Incident {part.id} ({part.model} in {part.deployment}) is {reason}."
    entry = TimelineEntry(
        at=part.detected_at, kind="part", actor="vigil", text=text, data={"incident": part.id}
    )
    record.note(session, whole.id, entry)
