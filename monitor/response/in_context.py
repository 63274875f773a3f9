"""What a message carries besides its text: what waits for a yes, and what happened since the
receiver's last message."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.actions.guard import ReasonCode
from alerts.types import Message, PendingApproval
from monitor.store.tables import ActionRow, OutboxRow, TimelineRow

MOST_LINES = 40


def in_context(session: Session, message: Message, receiver: str) -> Message:
    """The message with its approval and its story, as they stand in this transaction."""
    incident_id = message.incident.id
    story, upto = _story(session, incident_id, _told_upto(session, incident_id, receiver))
    return replace(
        message, approval=waiting_for_yes(session, incident_id), story=story, story_to=upto
    )


def waiting_for_yes(session: Session, incident_id: int) -> PendingApproval | None:
    """The action that a person's yes would set going; None where none waits for one."""
    rows = session.scalars(
        select(ActionRow)
        .where(ActionRow.incident_id == incident_id, ActionRow.state == "waiting")
        .order_by(ActionRow.id)
    )
    for row in rows:
        if row.decision.get("needs_approval") and not _has_yes(row):
            text = str(row.result.get("text", ""))
            return PendingApproval(action_id=row.id, plan_hash=row.plan_hash, text=text)
    return None


def _has_yes(row: ActionRow) -> bool:
    codes = {reason.get("code") for reason in row.decision.get("reasons", ())}
    return row.approved_by is not None and ReasonCode.APPROVAL_EXPIRED.value not in codes


def _told_upto(session: Session, incident_id: int, receiver: str) -> int:
    latest = session.scalar(
        select(OutboxRow.message)
        .where(OutboxRow.incident_id == incident_id, OutboxRow.receiver == receiver)
        .order_by(OutboxRow.id.desc())
        .limit(1)
    )
    return int(latest.get("story_to", 0)) if latest else 0


def _story(session: Session, incident_id: int, after: int) -> tuple[tuple[str, ...], int]:
    """The newest lines after a line of the timeline, oldest first, and the last one's number."""
    rows = session.scalars(
        select(TimelineRow)
        .where(TimelineRow.incident_id == incident_id, TimelineRow.id > after)
        .order_by(TimelineRow.id.desc())
        .limit(MOST_LINES)
    ).all()
    lines = tuple(f"{row.at:%H:%M:%S} {row.text}" for row in reversed(rows))
    return lines, rows[0].id if rows else after
