"""PagerDuty's V3 webhooks.

Only the signature lets a request in. Three 4xx in a row and PagerDuty stops sending for a day: all
that is signed is answered with 2xx, whether we can use it or not. It sends again on 5xx.
"""

from __future__ import annotations

import logging

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from alerts.notifiers.pagerduty_webhook import is_from_pagerduty, read_event
from monitor.response.pagerduty_events import take
from monitor.settings.receivers import PagerDutyReceiver
from monitor.settings.secrets import read_secret
from monitor.web.auth import services_of
from monitor.web.errors import come_again
from monitor.web.inbound.again import with_patience

router = APIRouter(prefix="/v1/inbound", tags=["inbound"])
log = logging.getLogger("vigil.inbound")


@router.post("/pagerduty/{receiver}", status_code=202, responses={401: {}, 503: {}})
async def happened(request: Request, receiver: str) -> Response:
    """What was done to an incident in PagerDuty. Needs PagerDuty's signature."""
    body = await request.body()
    return await run_in_threadpool(_take, request, receiver, body)


def _take(request: Request, name: str, body: bytes) -> Response:
    services = services_of(request)
    if not _genuine(request, name, body):
        raise HTTPException(401, "not signed by PagerDuty for this receiver")
    event = read_event(body)
    if event is None:
        log.info("a webhook of PagerDuty was ignored: it has no event that we know")
        return Response(status_code=202)

    def once() -> str:
        with services.sessions.begin() as session:
            return take(
                session,
                event,
                receiver=name,
                webhook_id=request.headers.get("x-webhook-id", ""),
                at=services.clock.now(),
                announcer=request.app.state.announcer,
            )

    came = with_patience(once)
    if came is None:
        return come_again("too many changes at once")
    log.info("PagerDuty, %s: %s", event.what or "another event", came)
    return Response(status_code=202)


def _genuine(request: Request, name: str, body: bytes) -> bool:
    receiver = request.app.state.services.settings.receivers.get(name)
    if not isinstance(receiver, PagerDutyReceiver) or receiver.webhook_secret is None:
        return False
    secret = read_secret(receiver.webhook_secret, key=f"receivers.{name}.webhook_secret")
    return is_from_pagerduty(
        body, secret=secret.reveal(), header=request.headers.get("x-pagerduty-signature")
    )
