"""A retraining as plain data: what the API and the command line show of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from monitor.retraining import orders
from monitor.retraining.first_baseline import about
from monitor.retraining.judging import has_baseline
from monitor.store.tables import RetrainingRow


def shown(session: Session, number: int) -> dict[str, Any]:
    """Everything about one retraining; ``baseline``: whether its version has one.

    Raises:
        NotFoundError: there is none of that number.
    """
    return plain(session, orders.get(session, number))


def plain(session: Session, row: RetrainingRow) -> dict[str, Any]:
    kept = orders.dataset_of(session, row)
    return {
        "number": row.id,
        "name": orders.order_id(session, row.id),
        "state": row.state,
        "model": row.model,
        "deployment": row.deployment,
        "incident": row.incident_id,
        "reason": row.reason,
        "trigger": row.attempts.get("trigger", orders.BY_HAND),
        "proposed_by": row.actor,
        "proposed_at": row.created_at,
        "allowed_by": row.attempts.get("allowed_by"),
        "hook": row.hook,
        "requested_at": row.requested_at,
        "receipt": dict(row.receipt),
        "version": row.released_version,
        "baseline": has_baseline(session, row) if row.released_version else None,
        "first_baseline": about(row),
        "released_at": row.released_at,
        "judged_at": row.judged_at,
        "judgement": dict(row.judgement),
        "dataset": {}
        if kept is None
        else {
            "sha256": kept.sha256,
            "parent": kept.parent,
            "items": kept.items,
            "location": kept.location,
            "about": dict(kept.about),
        },
    }
