"""Label Studio's webhook: something was labelled. Needs a token that may send.

What it says is not believed: it makes the queue due, and the queue is asked. Label Studio waits a
second, does not try again and signs nothing; polling finds what a webhook lost.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from sqlalchemy import update

from monitor.labelling.queues import WEBHOOK
from monitor.settings.labelling import LabelStudioQueue
from monitor.store.tables import LabelQueueRow
from monitor.web.auth import Sender, services_of

router = APIRouter(tags=["inbound"])


@router.post(WEBHOOK, status_code=202, responses={401: {}})
def labelled(request: Request, actor: Sender) -> Response:
    """Take in a webhook of Label Studio."""
    services = services_of(request)
    with services.sessions.begin() as session:
        for watched in services.settings.models:
            if isinstance(watched.relabel.waits_in, LabelStudioQueue):
                session.execute(
                    update(LabelQueueRow)
                    .where(
                        LabelQueueRow.model == watched.name,
                        LabelQueueRow.deployment == watched.deployment,
                        LabelQueueRow.failures == 0,
                    )
                    .values(due_at=services.clock.now())
                )
    return Response(status_code=202)
