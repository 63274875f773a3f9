"""Is this alert part of something that is known? One cause, one release or one upstream is one
incident."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from alerts.grouping import Belongs, GroupDecision, group_key, may_share
from alerts.pipeline.case import Arrival, Case, Known
from alerts.pipeline.decision import Decision, Outcome
from alerts.silences.silence import find
from alerts.types import AlertKind, Incident
from vigil.types import Cause

NAME = "correlate"

_SHARED = (Cause.INPUT_FAULT, Cause.NO_DATA, Cause.SERVICE_FAULT, Cause.DOMAIN_SHIFT)
"""Causes that lie outside the model: one of them may be felt by several models."""

_OF_RELEASE = (Cause.MODEL_REGRESSION, Cause.SERVICE_FAULT)
_RULES = (AlertKind.NO_DATA, AlertKind.HARD_FAULT)
"""Kinds that plain rules raise: over when the rule is kept again, whoever broke it."""


class Correlate:
    """Asks in this order, and takes the first answer.

    1. *joins*: it began with an open incident of its model, on its slice, of another kind.
    2. *joins*: an open incident of its model, on its slice, has the same cause.
    3. *joins*: its cause is unknown while an incident of its model is open on its slice.
    4. *joins*: a plain rule broke, and the same rule broke at the same time for other traffic of
       the model, or for another model on the same slice or behind the same upstream.
    5. *part of*: drift that began at the same time on another model, behind the same upstream, on
       the same slice or with the same release. It is an incident of its own, because its recovery
       and its rollback are its own; who was told of the other one is not told of it.
    6. *reopens*: its incident was resolved a moment ago.
    7. *new*.
    """

    def judge(self, case: Case) -> tuple[Decision, Case]:
        alert = case.arrival
        if alert is None or case.place is not None:
            reason = "its incident is known"
            return Decision(stage=NAME, outcome=Outcome.PASS, reason=reason), case
        place = _place(case, alert)
        decision = Decision(stage=NAME, outcome=Outcome.CHANGE, reason=place.reason)
        return decision, replace(case, place=place)


def _place(case: Case, alert: Arrival) -> GroupDecision:
    known = case.known
    mine = [
        each for each in known.open if each.id in alert.near and may_share(alert.kind, each.kind)
    ]
    for incident in mine:
        if incident.kind is not alert.kind and began_together(
            alert.onset, incident, alert.together
        ):
            reason = f"it began with incident {incident.id} on {incident.slice}"
            return _joins(incident, reason)
    key = group_key(alert.model, alert.deployment, alert.cause)
    for incident in mine:
        if incident.group_key == key:
            return _joins(incident, f"incident {incident.id} of {key} is {incident.state.value}")
    if alert.cause is Cause.UNKNOWN and mine:
        incident = max(mine, key=lambda each: each.detected_at)
        reason = f"its cause is unknown and incident {incident.id} of the same model is open"
        return _joins(incident, reason)
    for incident, why in _explains(case, alert):
        if alert.kind in _RULES:
            return _joins(incident, f"{why}, as incident {incident.id} does")
        reason = f"part of incident {incident.id}: {why}"
        return GroupDecision(belongs=Belongs.PART, incident=incident, reason=reason)
    return _reopens(case, alert, known) or GroupDecision(
        belongs=Belongs.NEW, incident=None, reason=f"no incident of {key} is open"
    )


def _joins(incident: Incident, reason: str) -> GroupDecision:
    return GroupDecision(belongs=Belongs.JOINS, incident=incident, reason=reason)


def _explains(case: Case, alert: Arrival) -> Iterator[tuple[Incident, str]]:
    """Open incidents that explain the alert without being of its traffic, and why.

    Not those that a silence mutes where it would not mute the alert: that would hide it.
    """
    known = case.known
    silenced = find(known.silences, case.labels, case.at) is not None
    for incident in known.open:
        if incident.kind is not alert.kind or incident.cause is not alert.cause:
            continue
        if incident.part_of is not None or not _same_time(alert, incident):
            continue
        why = _common(alert, incident)
        if why is None:
            continue
        if silenced or find(known.silences, known.labels(incident), case.at) is None:
            yield incident, why


def _common(alert: Arrival, incident: Incident) -> str | None:
    """What the two have in common, other than their time and cause."""
    family = (alert.model, alert.deployment)
    if (incident.model, incident.deployment) == family:
        siblings = not alert.slice.is_whole and not incident.slice.is_whole
        if alert.kind in _RULES and siblings:
            return "it began at the same time"
        return None
    if alert.cause in _SHARED:
        upstream = incident.labels.get("upstream", "")
        if upstream and upstream == alert.upstream:
            return f"it is behind the upstream {upstream}"
        if not alert.slice.is_whole and alert.slice == incident.slice:
            return f"it is about {alert.slice}"
    released = incident.labels.get("release_started_at", "")
    if (
        alert.cause in _OF_RELEASE
        and alert.began_with_release
        and alert.release_started_at is not None
        and incident.labels.get("began_with_release") == "yes"
        and released
        and incident.model_version == alert.version
        and _close(alert.release_started_at, datetime.fromisoformat(released), alert)
    ):
        return f"it began with the release of {alert.version}"
    return None


def _same_time(alert: Arrival, incident: Incident) -> bool:
    if alert.onset is None:
        return False
    return _close(alert.onset, incident.onset_at or incident.detected_at, alert)


def _close(one: datetime, other: datetime, alert: Arrival) -> bool:
    return abs(one - other) <= alert.together


def began_together(onset: datetime | None, incident: Incident, together: timedelta) -> bool:
    """Whether drift with this onset may be the incident's: it began about when that did, or before
    its mitigation had shown."""
    if onset is None:
        return True
    latest = [incident.onset_at or incident.detected_at, incident.detected_at]
    if incident.mitigated_at is not None:
        latest.append(incident.mitigated_at)
    return onset <= max(latest) + together


def _reopens(case: Case, alert: Arrival, known: Known) -> GroupDecision | None:
    """Only one of the same version: what another version does is another story."""
    recent = [
        each
        for each in known.recent
        if each.fingerprint == alert.fingerprint
        and (each.model, each.deployment) == (alert.model, alert.deployment)
        and each.model_version == alert.version
        and each.resolved_at is not None
        and case.at - each.resolved_at <= alert.reopen_within
    ]
    if not recent or not alert.reopen_within:
        return None
    incident = max(recent, key=lambda each: each.resolved_at or each.detected_at)
    within = alert.reopen_within.total_seconds()
    reason = f"incident {incident.id} was resolved less than {within:g} s ago"
    return GroupDecision(belongs=Belongs.REOPENS, incident=incident, reason=reason)
