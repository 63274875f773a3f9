"""The transitions of an incident. Nothing else changes one.

::

    open ──► acknowledged ──► mitigating ──► monitoring ──► resolved
      └───────────┴──────────────┴───────────────┴────────────▲ │
      ▲─────────────────────── reopen ──────────────────────────┘

Pure: an incident and an event in, the next incident and its timeline entry out. A transition that
does not apply changes nothing and says why (``Change.STALE``, ``Change.ALREADY``): of a resolve
and a late acknowledgement, the resolve wins whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from alerts.types import (
    Disposition,
    Finding,
    Incident,
    IncidentState,
    Severity,
    TimelineEntry,
)

MAX_FINDINGS = 40


class Change(StrEnum):
    CHANGED = "changed"
    ALREADY = "already"
    STALE = "stale"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transition:
    """What came of an event. ``entry`` is None where nothing changed."""

    change: Change
    incident: Incident
    entry: TimelineEntry | None
    reason: str

    @property
    def changed(self) -> bool:
        return self.change is Change.CHANGED


def _moved(
    incident: Incident,
    *,
    at: datetime,
    kind: str,
    actor: str,
    text: str,
    data: Mapping[str, Any] | None = None,
    **values: Any,
) -> Transition:
    following = replace(incident, version=incident.version + 1, **values)
    entry = TimelineEntry(at=at, kind=kind, actor=actor, text=text, data=data or {})
    return Transition(change=Change.CHANGED, incident=following, entry=entry, reason=text)


def _unmoved(incident: Incident, change: Change, reason: str) -> Transition:
    return Transition(change=change, incident=incident, entry=None, reason=reason)


def _is_over(incident: Incident) -> Transition:
    return _unmoved(
        incident,
        Change.STALE,
        f"incident {incident.id} is resolved; that is final until it reopens",
    )


def page_sent(incident: Incident, *, at: datetime, receiver: str) -> Transition:
    """The first page was delivered. Later ones leave ``paged_at`` alone."""
    if incident.paged_at is not None:
        return _unmoved(incident, Change.ALREADY, "already paged")
    return _moved(
        incident, at=at, kind="paged", actor="vigil", text=f"Paged {receiver}.", paged_at=at
    )


def acknowledge(incident: Incident, *, at: datetime, actor: str) -> Transition:
    """Someone took it. An acknowledgement does not stop a mitigation that runs."""
    if not incident.state.is_open:
        return _is_over(incident)
    if incident.acknowledged_at is not None:
        return _unmoved(incident, Change.ALREADY, "someone has it already")
    state = incident.state
    if state is IncidentState.OPEN:
        state = IncidentState.ACKNOWLEDGED
    return _moved(
        incident,
        at=at,
        kind="acknowledged",
        actor=actor,
        text=f"Acknowledged by {actor}.",
        state=state,
        acknowledged_at=at,
    )


def start_mitigation(incident: Incident, *, at: datetime, actor: str, text: str) -> Transition:
    """An action began (``text`` says which)."""
    if not incident.state.is_open:
        return _is_over(incident)
    if incident.state is IncidentState.MITIGATING:
        return _unmoved(incident, Change.ALREADY, "a mitigation is running already")
    return _moved(
        incident,
        at=at,
        kind="mitigating",
        actor=actor,
        text=text,
        state=IncidentState.MITIGATING,
    )


def mitigated(incident: Incident, *, at: datetime, actor: str, text: str) -> Transition:
    """The action was carried out; now its effect is watched. The first time is kept."""
    if not incident.state.is_open:
        return _is_over(incident)
    if incident.state is IncidentState.MONITORING:
        return _unmoved(incident, Change.ALREADY, "its mitigation is being watched already")
    return _moved(
        incident,
        at=at,
        kind="mitigated",
        actor=actor,
        text=text,
        state=IncidentState.MONITORING,
        mitigated_at=incident.mitigated_at or at,
    )


def mitigation_failed(incident: Incident, *, at: datetime, actor: str, text: str) -> Transition:
    """The action failed, was refused midway, or its cure stayed unproven: people must act."""
    if not incident.state.is_open:
        return _is_over(incident)
    if incident.state not in (IncidentState.MITIGATING, IncidentState.MONITORING):
        return _unmoved(incident, Change.STALE, "no mitigation was running")
    back = IncidentState.ACKNOWLEDGED if incident.acknowledged_at else IncidentState.OPEN
    return _moved(incident, at=at, kind="mitigation_failed", actor=actor, text=text, state=back)


def recovered(incident: Incident, *, at: datetime, text: str) -> Transition:
    """The detector that raised the alarm sees health again; a resolve follows."""
    if not incident.state.is_open:
        return _is_over(incident)
    if incident.recovered_at is not None:
        return _unmoved(incident, Change.ALREADY, "recovered already")
    return _moved(incident, at=at, kind="recovered", actor="vigil", text=text, recovered_at=at)


def went_quiet(incident: Incident, *, at: datetime) -> Transition:
    """What a person resolved while it fired has stopped: if it fires again, that is news."""
    if incident.state.is_open or incident.recovered_at is not None:
        return _unmoved(incident, Change.ALREADY, "it is open, or was quiet before")
    text = "Quiet now, after it was resolved: if it fires again, people are told."
    return _moved(incident, at=at, kind="quiet", actor="vigil", text=text, recovered_at=at)


def fires_unheard(incident: Incident, *, at: datetime, reason: str) -> Transition:
    """It fires after a person resolved it: written down the first time, and nobody is told."""
    if incident.state.is_open:
        return _unmoved(incident, Change.ALREADY, f"incident {incident.id} is open")
    latest = max(at, incident.last_firing_at)
    following = replace(incident, version=incident.version + 1, last_firing_at=latest)
    text = f"It fires still, and nobody is told: {reason}."
    entry = None
    if incident.resolved_at is not None and incident.last_firing_at <= incident.resolved_at:
        data = {"stage": "dismissed", "outcome": "not_told", "reason": reason}
        entry = TimelineEntry(at=at, kind="decision", actor="vigil", text=text, data=data)
    return Transition(change=Change.CHANGED, incident=following, entry=entry, reason=text)


def resolve(incident: Incident, *, at: datetime, actor: str, text: str = "") -> Transition:
    """It is over, from any state."""
    if not incident.state.is_open:
        return _unmoved(incident, Change.ALREADY, f"incident {incident.id} is resolved already")
    return _moved(
        incident,
        at=at,
        kind="resolved",
        actor=actor,
        text=text or f"Resolved by {actor}.",
        state=IncidentState.RESOLVED,
        resolved_at=at,
    )


def reopen(incident: Incident, *, at: datetime, actor: str, text: str) -> Transition:
    """It came back. The times of the first round stay, save those that are no longer true."""
    if incident.state.is_open:
        return _unmoved(incident, Change.ALREADY, f"incident {incident.id} is open")
    return _moved(
        incident,
        at=at,
        kind="reopened",
        actor=actor,
        text=text,
        state=IncidentState.OPEN,
        acknowledged_at=None,
        recovered_at=None,
        resolved_at=None,
        last_firing_at=at,
        reopened=incident.reopened + 1,
    )


def reweighed(incident: Incident, *, at: datetime, severity: Severity, reason: str) -> Transition:
    """Its figures say that it is worse, or less bad, than it was (``severity.reweigh``)."""
    if not incident.state.is_open:
        return _is_over(incident)
    if severity is incident.severity:
        return _unmoved(incident, Change.ALREADY, f"it is {severity.value} already")
    return _moved(
        incident,
        at=at,
        kind="severity",
        actor="vigil",
        text=f"Severity {incident.severity.value} -> {severity.value}: {reason}.",
        data={"from": incident.severity.value, "to": severity.value},
        severity=severity,
    )


def fired_again(
    incident: Incident,
    *,
    at: datetime,
    findings: Iterable[Finding],
    severity: Severity,
    reason: str = "",
) -> Transition:
    """An alert of this incident fires still, or another joined it.

    Findings of the same signal and slice are replaced by the newer one; the severity only grows
    here, because what arrives is a part of the whole (it falls by ``reweighed``).
    The entry names signals that are new; where none is, the timeline stays quiet (``entry`` is None
    though the row changed).
    """
    if not incident.state.is_open:
        return _is_over(incident)
    known = {(each.signal, each.slice): each for each in incident.findings}
    arrived = list(findings)
    signals = {each.signal for each in incident.findings}
    fresh = [each for each in arrived if each.signal not in signals]
    known.update({(each.signal, each.slice): each for each in arrived})
    ranked = sorted(known.values(), key=lambda each: (each.slice != incident.slice, -each.size))[
        :MAX_FINDINGS
    ]
    worse = severity.rank > incident.severity.rank
    following = replace(
        incident,
        version=incident.version + 1,
        last_firing_at=max(at, incident.last_firing_at),
        findings=tuple(ranked),
        severity=severity if worse else incident.severity,
        recovered_at=None,
    )
    parts = []
    if worse:
        parts.append(f"severity {incident.severity.value} -> {severity.value}")
    if fresh:
        first = {each.signal: each for each in reversed(fresh)}
        told = [f"{each.signal} on {each.slice}" for each in list(first.values())[::-1][:5]]
        parts.append("also " + ", ".join(told))
    if not parts:
        return Transition(
            change=Change.CHANGED, incident=following, entry=None, reason="it fires still"
        )
    text = "; ".join(parts) + (f" ({reason})" if reason else "") + "."
    text = text[0].upper() + text[1:]
    entry = TimelineEntry(at=at, kind="widened", actor="vigil", text=text)
    return Transition(change=Change.CHANGED, incident=following, entry=entry, reason=text)


def dispose(
    incident: Incident, *, at: datetime, actor: str, disposition: Disposition, note: str = ""
) -> Transition:
    """What it was, in hindsight. It may be corrected, and may come before or after the resolve."""
    if incident.disposition is disposition:
        return _unmoved(incident, Change.ALREADY, f"marked {disposition.value} already")
    words = disposition.value.replace("_", " ")
    return _moved(
        incident,
        at=at,
        kind="disposition",
        actor=actor,
        text=f"Marked as {words} by {actor}." + (f" {note}" if note else ""),
        disposition=disposition,
    )
