"""The labels of an incident: what silences, inhibitions and routes match on."""

from __future__ import annotations

from alerts.types import Incident

RESERVED = ("alertname", "cause", "severity", "model", "version", "deployment", "owner")


def slice_label(key: str) -> str:
    """The label of a slice's key: its name, save where a label of the incident has that name."""
    return f"slice_{key}" if key in RESERVED else key


def labels_of(incident: Incident) -> dict[str, str]:
    """``alertname`` (its kind), ``cause``, ``severity``, ``model``, ``version``, ``deployment``,
    ``owner`` and each key of its slice (``slice_<key>`` where the key is one of these names).

    They outlive a resolve: the next incident of the same fault has the same, save for severity and
    version.
    """
    labels = {
        "alertname": incident.kind.value,
        "cause": incident.cause.value,
        "severity": incident.severity.value,
        "model": incident.model,
        "version": incident.model_version,
        "deployment": incident.deployment,
        "owner": incident.labels.get("owner", ""),
    }
    for key, value in incident.slice.pairs:
        labels[slice_label(key)] = value
    return labels
