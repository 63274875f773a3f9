"""Alertmanager's webhook: its alerts enter as incidents. Needs a token that may send.

Alertmanager tries again on 5xx and gives up on 429: when we are busy the answer is 503.
"""

from __future__ import annotations

import asyncio
import threading

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from alerts.external import read_batch
from monitor.response.announce import Announcer
from monitor.response.external import ExternalAlerts
from monitor.web.auth import Sender, services_of
from monitor.web.errors import come_again
from monitor.web.inbound.again import with_patience

router = APIRouter(prefix="/v1/inbound", tags=["inbound"])
AT_ONCE = 2
READ_S = 10.0
_room = threading.Semaphore(AT_ONCE)


@router.post("/alertmanager", status_code=202, responses={400: {}, 401: {}, 503: {}})
async def alerts(request: Request, actor: Sender) -> Response:
    """Take in a webhook of Alertmanager, payload version 4."""
    if not _room.acquire(blocking=False):
        return come_again(f"{AT_ONCE} batches are being taken in")
    try:
        async with asyncio.timeout(READ_S):
            body = await request.body()
        return await run_in_threadpool(_take, request, actor.name, body)
    except TimeoutError:
        return come_again(f"the batch did not arrive within {READ_S:g} s")
    finally:
        _room.release()


def _take(request: Request, name: str, body: bytes) -> Response:
    services = services_of(request)
    batch = read_batch(body)
    settings, library = services.settings, services.runbooks
    taker = ExternalAlerts(settings, Announcer(settings, library), library)

    def once() -> list[int]:
        with services.sessions.begin() as session:
            at = services.clock.now()
            return taker.take(session, batch, actor=f"alertmanager:{name}", at=at)

    if with_patience(once) is None:
        return come_again("too many changes at once")
    return Response(status_code=202)
