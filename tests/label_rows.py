"""Labels, tasks and annotations made by hand, as the tables keep them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from monitor.store.tables import AnnotationRow, LabelRow, LabelTaskRow

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def label_row(record_id: str, *, right: bool = True, **changed: Any) -> LabelRow:
    """A label of ``reader`` v1 in production, at site north, an hour ago."""
    values: dict[str, Any] = {
        "record_id": record_id,
        "model": "reader",
        "version": "v1",
        "deployment": "production",
        "cell": {"site": "north"},
        "prediction": 3,
        "confidence": 0.8,
        "label": 3 if right else 5,
        "predicted_at": NOON - timedelta(hours=1),
        "arrived_at": NOON,
    }
    return LabelRow(**(values | changed))


def task_row(record_id: str, **changed: Any) -> LabelTaskRow:
    """A task drawn from daily traffic with probability 0.1, labelled half an hour after it was
    queued."""
    values: dict[str, Any] = {
        "queue": "folder",
        "batch": "daily-1",
        "action_id": None,
        "model": "reader",
        "version": "v1",
        "deployment": "production",
        "slice": "all traffic",
        "record_id": record_id,
        "rank": 1,
        "score": 0.5,
        "reason": "drawn at random",
        "inclusion": 0.1,
        "gold": False,
        "state": "labelled",
        "picked_at": NOON - timedelta(hours=2),
        "queued_at": NOON - timedelta(hours=2),
        "labelled_at": NOON - timedelta(minutes=90),
        "label": 3,
        "data": {
            "prediction": 3,
            "top": [[3, 0.8], [5, 0.15]],
            "metadata": {"site": "north"},
            "time_s": (NOON - timedelta(hours=3)).timestamp(),
        },
    }
    return LabelTaskRow(**(values | changed))


def annotation_row(task: LabelTaskRow, author: str, label: int, **changed: Any) -> AnnotationRow:
    values: dict[str, Any] = {
        "task_id": task.id,
        "external_id": f"{author}-{task.id}",
        "author": author,
        "label": label,
        "lead_time_s": 6.0,
        "at": NOON - timedelta(minutes=90),
    }
    return AnnotationRow(**(values | changed))
