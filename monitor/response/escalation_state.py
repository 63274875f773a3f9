"""How far an incident has been escalated: begun and stopped in the transaction of its news."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.routing.escalation import Policy
from monitor.store.tables import EscalationRow

WAITING, STOPPED, EXHAUSTED = "waiting", "stopped", "exhausted"


def begin(
    session: Session, incident_id: int, policy: Policy, *, at: datetime, afresh: bool
) -> bool:
    """Let a policy run from its first step, unless it runs already or has run to its end.

    Args:
        afresh: begin anew in any case.

    Returns:
        Whether it began now.
    """
    row = session.get(EscalationRow, incident_id, with_for_update=True, populate_existing=True)
    if row is not None and row.policy == policy.name and row.state != STOPPED and not afresh:
        return False
    if row is None:
        row = EscalationRow(incident_id=incident_id)
        session.add(row)
    row.policy, row.step, row.state = policy.name, 0, WAITING
    row.due_at, row.reason = policy.due(0, at), f"begun with {policy.told(0)}"
    session.flush()
    return True


def stop(session: Session, incident_id: int, reason: str) -> bool:
    """End it; what has run to its end may begin anew. Returns whether a step was waiting."""
    row = session.get(EscalationRow, incident_id, with_for_update=True, populate_existing=True)
    if row is None or row.state == STOPPED:
        return False
    waited = row.state == WAITING
    row.state, row.due_at, row.reason = STOPPED, None, reason
    session.flush()
    return waited
