"""Which incident an alert belongs to: the values. ``alerts.pipeline`` decides, and says why."""

from __future__ import annotations

from dataclasses import dataclass
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
    PART = "part"
    REOPENS = "reopens"
    DISMISSED = "dismissed"
    """A person resolved it while it fired, and nothing has changed since."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupDecision:
    """``incident`` is the one it belongs to; none for a new one. ``part``: it opens an incident of
    its own, as a part of ``incident``."""

    belongs: Belongs
    incident: Incident | None
    reason: str


STANDS_ALONE = frozenset(
    {
        AlertKind.NO_DATA,
        AlertKind.HARD_FAULT,
        AlertKind.SERVICE_FAULT,
        AlertKind.BASELINE_DRIFT,
        AlertKind.LABELS_SILENT,
        AlertKind.VIGIL_SELF,
        AlertKind.SERVING_MISMATCH,
    }
)
"""Kinds that stand for themselves: they join only incidents of their own kind."""


def may_share(one: AlertKind, other: AlertKind) -> bool:
    """Whether alerts of these kinds may be of one incident."""
    return one is other or (one not in STANDS_ALONE and other not in STANDS_ALONE)
