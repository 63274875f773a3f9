"""What serves, what should, and what served before."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from monitor.serving.versions import ledger
from monitor.web.auth import Reader, services_of

router = APIRouter(prefix="/v1/versions", tags=["releases"])


@router.get("/{model}/{deployment}")
def versions(request: Request, actor: Reader, model: str, deployment: str) -> dict[str, Any]:
    """One model's ledger: announced, registered and seen shares, differences with their age, spans
    and events, newest first."""
    services = services_of(request)
    with services.sessions() as session:
        now = services.clock.now()
        return ledger(session, services.settings, model, deployment, at=now).to_json()
