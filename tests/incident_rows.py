"""An incident as the database keeps it, for tests that only need one to be there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from monitor.store.tables import IncidentRow


def incident_row(at: datetime, **changed: Any) -> IncidentRow:
    """An open input fault of ``reader`` v1 in production, detected and last seen ``at``."""
    cause = changed.get("cause", "input_fault")
    family = {"model": "reader", "deployment": "production"} | changed
    values: dict[str, Any] = {
        "group_key": f"{family['model']}/{family['deployment']}/{cause}",
        "fingerprint": "f" * 64,
        "kind": cause,
        "cause": cause,
        "severity": "error",
        "model_version": "v1",
        "slice": "camera=c7",
        "title": "Camera c7 lost focus",
        "state": "open",
        "detected_at": at,
        "last_firing_at": at,
        "findings": [],
        "reasons": [],
        "labels": {},
        "runbook": cause,
    }
    return IncidentRow(**(values | family))
