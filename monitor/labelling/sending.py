"""What was picked goes into its queue: written down before and after."""

from __future__ import annotations

from sqlalchemy import select

from alerts.actions.queues.protocol import LabelQueue, Placed
from monitor.labelling import ledger, pictures
from monitor.response.fence import Fence, unfenced
from monitor.services import Services
from monitor.store import installation
from monitor.store.tables import LabelTaskRow

_AFTER = {
    ledger.PICKED: ledger.QUEUED,
    ledger.WITHDRAWN: ledger.WITHDRAWING,
    ledger.EXPIRED: ledger.EXPIRING,
}
"""What was taken back, or forgotten, while the queue took it has to leave again."""


def send(
    services: Services, queue: LabelQueue, batch: str, *, fence: Fence = unfenced
) -> Placed | None:
    """Queue what of a batch is not queued yet; None where nothing is left to queue.

    Killed on the way, it is called again: the queue takes a task once. From before the first try
    tasks count as there, so that what is forgotten or withdrawn between two tries is taken out.

    Raises:
        LabelQueueError: the queue can't take them now.
    """
    with services.sessions.begin() as session:
        fence(session)
        rows = list(
            session.scalars(
                select(LabelTaskRow)
                .where(LabelTaskRow.batch == batch, LabelTaskRow.state == ledger.PICKED)
                .order_by(LabelTaskRow.rank)
                .with_for_update()
            )
        )
        for row in rows:
            row.external_id, row.queue = ledger.PERHAPS_THERE, queue.name
        ours = installation.of(session)
    if not rows:
        return None
    looks = pictures.of(services.samples, batch)
    placed = queue.put([ledger.as_task(row, ours, looks) for row in rows])
    with services.sessions.begin() as session:
        fence(session)
        now = services.clock.now()
        sent = select(LabelTaskRow).where(LabelTaskRow.id.in_([row.id for row in rows]))
        for row in session.scalars(sent.with_for_update()):
            external = placed.ids.get(ledger.task_id(ours, row.id))
            if external is None or row.external_id:
                continue
            row.external_id, row.queued_at, row.queue = external, now, queue.name
            row.state = _AFTER.get(row.state, row.state)
    return placed
