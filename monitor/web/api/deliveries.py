"""Messages and receivers: what waits, what is dead; sent again or dropped."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request

from monitor.response import letters
from monitor.response.letters import ReceiverStanding
from monitor.web.access import RowId
from monitor.web.api.answers import Answer
from monitor.web.auth import Operator, Reader, services_of

router = APIRouter(prefix="/v1", tags=["deliveries"])


class DeliveryOut(Answer):
    """One message to one receiver. ``reason``: why this receiver; ``fallback_of``: the message
    that it stands in for."""

    id: int
    receiver: str
    incident_id: int | None
    event: str
    state: str
    attempts: int
    created_at: datetime
    next_attempt_at: datetime
    delivered_at: datetime | None
    last_error: str
    reason: str
    fallback_of: int | None


@router.get("/deliveries")
def list_deliveries(
    request: Request,
    actor: Reader,
    state: str | None = None,
    receiver: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[DeliveryOut]:
    """Messages that wait or were given up, or those of one state; newest first."""
    with services_of(request).sessions() as session:
        found = letters.letters(session, state=state, receiver=receiver, limit=limit)
        return [DeliveryOut.model_validate(row) for row in found]


@router.get("/receivers")
def list_receivers(request: Request, actor: Reader) -> list[ReceiverStanding]:
    """Every receiver: whether it is up, since when not, and what waits for it."""
    services = services_of(request)
    with services.sessions() as session:
        return list(
            letters.standings(session, services.settings.receivers, now=services.clock.now())
        )


@router.post("/deliveries/{delivery_id}/resend", responses={404: {}, 409: {}})
def resend(request: Request, actor: Operator, delivery_id: RowId) -> DeliveryOut:
    """Try a dead message again."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = letters.resend(session, delivery_id, actor=actor.name, at=services.clock.now())
        return DeliveryOut.model_validate(row)


@router.post("/deliveries/{delivery_id}/drop", responses={404: {}, 409: {}})
def drop(request: Request, actor: Operator, delivery_id: RowId) -> DeliveryOut:
    """Let a message go that nobody needs any more."""
    services = services_of(request)
    with services.sessions.begin() as session:
        row = letters.drop(session, delivery_id, actor=actor.name, at=services.clock.now())
        return DeliveryOut.model_validate(row)
