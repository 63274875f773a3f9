"""A plan as it is handed to a program or a pipeline of the user's."""

from __future__ import annotations

import json

from alerts.actions.plan import RollbackPlan


def envelope(action: str, plan: RollbackPlan) -> bytes:
    """JSON: ``{"action": ..., "plan_id": ..., "plan": {...}}``."""
    plain = {"action": action, "plan_id": plan.id, "plan": plan.to_json()}
    return json.dumps(plain, sort_keys=True).encode()
