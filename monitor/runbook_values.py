"""What a runbook shows of an incident: its live values, and which page is the incident's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.text import ranked
from alerts.types import AlertKind, Finding, Incident
from alerts.wording import duration, short_finding, signal_name, slice_name
from monitor.settings.schema import Settings
from monitor.store.tables import ActionRow
from runbooks.library import Library, Runbook
from vigil.catalogue import base_of
from vigil.errors import NotFoundError
from vigil.types import Slice

_SHOWN = 3


def leading_signal(kind: AlertKind, findings: Sequence[Finding], slice: Slice) -> str:
    """The signal that tells most of an incident; empty where none was found."""
    first = ranked(kind, findings, slice)[:1]
    return base_of(first[0].signal) if first else ""


def page_name(library: Library, kind: AlertKind, findings: Sequence[Finding], slice: Slice) -> str:
    """The page of a new incident: about its leading signal where there is one, else its kind's."""
    return library.for_alert(kind.value, leading_signal(kind, findings, slice)).name


def page_of(library: Library, incident: Incident) -> Runbook | None:
    """The incident's page: the one chosen when it was opened, else the one for its kind."""
    try:
        return library.get(incident.runbook)
    except NotFoundError:
        pass
    signal = leading_signal(incident.kind, incident.findings, incident.slice)
    try:
        return library.for_alert(incident.kind.value, signal)
    except NotFoundError:
        return None


def general_values(settings: Settings) -> dict[str, str]:
    """What stands in a runbook that is read without an incident."""
    url = settings.service.url.rstrip("/")
    return {
        "action": "ACTION",
        "alert": "ALERT",
        "cause": "the cause that the incident names",
        "deployment": "DEPLOYMENT",
        "effect": "as the incident shows",
        "incident_id": "INCIDENT",
        "incident_url": f"{url}/incidents",
        "model": "MODEL",
        "onset": "the onset",
        "owner": "as the incident names",
        "plan_hash": "PLAN_HASH",
        "previous_version": "PREVIOUS",
        "service_url": url,
        "severity": "as the incident says",
        "signals": "the signals that the incident names",
        "slice": "the slice that the incident names",
        "version": "VERSION",
        "worst_slices": "the slices that the incident names",
    }


def values_of(
    session: Session, settings: Settings, incident: Incident, *, now: datetime
) -> dict[str, str]:
    """What is known of an incident, as a page shows it; commands take these values as they are."""
    watched = settings.model(incident.model, incident.deployment)
    url = settings.service.url.rstrip("/")
    began = incident.onset_at or incident.detected_at
    values = {
        "alert": incident.kind.value,
        "cause": incident.cause.value.replace("_", " "),
        "deployment": incident.deployment,
        "effect": _effect(incident),
        "incident_id": str(incident.id),
        "incident_url": f"{url}/incidents/{incident.id}",
        "model": incident.model,
        "onset": f"{began:%Y-%m-%d %H:%M} UTC, {duration((now - began).total_seconds())} ago",
        "owner": incident.labels.get("owner") or (watched.owner if watched else ""),
        "service_url": url,
        "severity": incident.severity.value,
        "signals": ", ".join(_signals(incident)),
        "slice": slice_name(incident.slice),
        "version": incident.model_version,
        "worst_slices": "; ".join(_worst_slices(incident)),
        "previous_version": incident.labels.get("previous_version", ""),
        "action": "ACTION",
        "plan_hash": "PLAN_HASH",
    }
    action = session.scalar(
        select(ActionRow)
        .where(ActionRow.incident_id == incident.id, ActionRow.state.in_(("proposed", "waiting")))
        .order_by(ActionRow.id.desc())
        .limit(1)
    )
    if action is not None:
        values |= {"action": str(action.id), "plan_hash": action.plan_hash}
    return values


def _effect(incident: Incident) -> str:
    first = ranked(incident.kind, incident.findings, incident.slice)[:1]
    if not first:
        return ""
    told, effect = short_finding(first[0]) or signal_name(first[0].signal), first[0].effect
    if effect is None or effect.tolerance <= 0:
        return first[0].reason or told
    return f"{told}, {effect.value / effect.tolerance:.1f} times its tolerance"


def _signals(incident: Incident) -> list[str]:
    told = ranked(incident.kind, incident.findings, incident.slice)
    return list(dict.fromkeys(signal_name(one.signal) for one in told))[:_SHOWN]


def _worst_slices(incident: Incident) -> list[str]:
    """The slices that are furthest beyond tolerance, with how far."""
    worst: dict[Slice, float] = {}
    for one in incident.findings:
        if one.effect is not None and one.effect.tolerance > 0 and not one.slice.is_whole:
            far = one.effect.value / one.effect.tolerance
            worst[one.slice] = max(far, worst.get(one.slice, 0.0))
    order = sorted(worst.items(), key=lambda pair: -pair[1])[:_SHOWN]
    if not order:
        return [slice_name(incident.slice)]
    return [f"{slice_name(slice)} ({far:.1f} times its tolerance)" for slice, far in order]
