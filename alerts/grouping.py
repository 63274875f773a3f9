"""Which incident an alert belongs to: the same, one that it joins, one that it reopens, or a new
one.

Pure. The answer names its reason, and the timeline prints it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alerts.types import AlertKind, Incident
from vigil.types import Cause, Slice


def alert_labels(
    *, kind: AlertKind, model: str, deployment: str, cause: Cause, slice: Slice
) -> dict[str, str]:
    """The labels that identify an alert; not the version, which changes on a rollback."""
    return {
        "alertname": kind.value,
        "model": model,
        "deployment": deployment,
        "cause": cause.value,
        "slice": str(slice),
    }


def group_key(model: str, deployment: str, cause: Cause) -> str:
    return f"{model}/{deployment}/{cause.value}"


class Belongs(StrEnum):
    NEW = "new"
    SAME = "same"
    JOINS = "joins"
    REOPENS = "reopens"
    DISMISSED = "dismissed"
    """A person resolved it while it fired, and nothing has changed since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDecision:
    """``incident`` is the one it belongs to; none for a new one."""

    belongs: Belongs
    incident: Incident | None
    reason: str


def decide(
    *,
    fingerprint: str,
    model: str,
    deployment: str,
    cause: Cause,
    incidents: Sequence[Incident],
    now: datetime,
    reopen_within_s: float = 0.0,
) -> GroupDecision:
    """Where an alert belongs.

    1. *same*: an open incident has its fingerprint.
    2. *joins*: an open incident of the same model, deployment and cause.
    3. *joins*: the alert's cause is unknown while an incident of the model is open (one fault,
       seen twice).
    4. *reopens*: the same fingerprint was resolved at most ``reopen_within_s`` ago.
    5. *new*.

    Args:
        incidents: of any model; those of other models or deployments are passed over.
    """
    mine = [each for each in incidents if (each.model, each.deployment) == (model, deployment)]
    still_open = [each for each in mine if each.state.is_open]
    key = group_key(model, deployment, cause)
    for incident in still_open:
        if incident.fingerprint == fingerprint:
            return GroupDecision(
                belongs=Belongs.SAME,
                incident=incident,
                reason=f"the same alert as incident {incident.id}, which is {incident.state.value}",
            )
    for incident in still_open:
        if incident.group_key == key:
            return GroupDecision(
                belongs=Belongs.JOINS,
                incident=incident,
                reason=f"incident {incident.id} of {key} is {incident.state.value}",
            )
    if cause is Cause.UNKNOWN and still_open:
        incident = max(still_open, key=lambda each: each.detected_at)
        return GroupDecision(
            belongs=Belongs.JOINS,
            incident=incident,
            reason=f"its cause is unknown and incident {incident.id} of the same model is open",
        )
    recent = [
        each
        for each in mine
        if each.fingerprint == fingerprint
        and each.resolved_at is not None
        and now - each.resolved_at <= timedelta(seconds=reopen_within_s)
    ]
    if recent and reopen_within_s > 0:
        incident = max(recent, key=lambda each: each.resolved_at or each.detected_at)
        return GroupDecision(
            belongs=Belongs.REOPENS,
            incident=incident,
            reason=f"incident {incident.id} was resolved less than {reopen_within_s:g} s ago",
        )
    return GroupDecision(belongs=Belongs.NEW, incident=None, reason=f"no incident of {key} is open")
