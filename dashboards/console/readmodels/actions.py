"""What was done about an incident, and who was told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonLine:
    """One reason of the guard. ``outcome``: refuse, wait or allow; empty where it does not say."""

    outcome: str
    code: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RelabelItem:
    """``image`` is where the page finds it, or None where privacy keeps no pixels."""

    record_id: str
    rank: int
    reason: str
    score: float
    image: str | None
    prediction: str
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionView:
    """Something done, or refused, about an incident, with all the reasons."""

    id: int
    kind: str
    state: str
    summary: str
    reasons: tuple[ReasonLine, ...]
    interlock: str
    result: str
    plan: tuple[tuple[str, str], ...]
    plan_hash: str
    created_at: datetime
    executed_at: datetime | None
    finished_at: datetime | None
    approved_by: str | None
    items: tuple[RelabelItem, ...] = ()
    item_count: int = 0

    @property
    def needs_approval(self) -> bool:
        return self.kind == "rollback" and self.state == "waiting" and self.approved_by is None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryView:
    receiver: str
    event: str
    state: str
    attempts: int
    created_at: datetime
    delivered_at: datetime | None
    next_attempt_at: datetime | None
    error: str
    receipt: str
