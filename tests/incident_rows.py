"""Incidents and label tasks as the database keeps them, for tests that only need some."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.store.tables import IncidentRow, LabelTaskRow


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


def task_row(**changed: Any) -> LabelTaskRow:
    """A task of ``reader`` v1 in production, picked and not sent yet."""
    values: dict[str, Any] = {
        "queue": "memory",
        "batch": "batch",
        "model": "reader",
        "version": "v1",
        "deployment": "production",
        "slice": "",
        "record_id": "r1",
        "rank": 1,
        "score": 0.5,
        "reason": "uncertain",
        "state": "picked",
        "picked_at": datetime(2026, 11, 21, 12, tzinfo=UTC),
        "data": {},
    }
    return LabelTaskRow(**(values | changed))
